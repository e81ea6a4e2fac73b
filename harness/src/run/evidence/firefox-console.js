// What the console service keeps (errors of scripts, refusals by content security policies) and what pages said through console.*;
// without what the browser says of itself.
const levels = ["DEBUG", "INFO", "WARNING", "SEVERE"];
const noted = Services.console.getMessageArray().map((one) => {
  // Only then it has these members.
  const isError = one instanceof Ci.nsIScriptError;
  return {
    timestamp: one.microSecondTimeStamp / 1000,
    level: levels[one.logLevel] ?? "INFO",
    source: isError && one.sourceName ? `${one.sourceName} ${one.lineNumber}:${one.columnNumber}` : "-",
    message: isError ? one.errorMessage : one.message,
  };
});
const storage = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage);
const said = storage.getEvents().map((one) => ({
  timestamp: one.timeStamp,
  level: one.level.toUpperCase(),
  source: `${one.filename} ${one.lineNumber}:${one.columnNumber}`,
  message: [...one.arguments].map(String).join(" "),
}));
const ofPage = ({ source, message }) => `${source} ${message}`.includes("https://");
return [...noted, ...said].filter(ofPage).sort((one, other) => one.timestamp - other.timestamp);
