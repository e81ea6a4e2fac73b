use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process};

use super::*;

struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("find-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn with<'a>(set: &'a [(&'a str, &'a Path)]) -> impl Fn(&str) -> Option<PathBuf> + 'a {
    move |name| {
        set.iter()
            .find(|(is, _)| *is == name)
            .map(|(_, value)| value.to_path_buf())
    }
}

#[test]
fn without_a_driver_the_error_says_what_to_do() {
    let error = find_in(Browser::Chromium, |_| None)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "chromedriver not found: run ci/install-chromium, or name it in CHROMEDRIVER"
    );
}

#[test]
fn the_variable_wins_over_the_path_and_the_path_over_the_cache() {
    let folder = Temporary::new("order");
    let cached = folder.file("cache/geckodriver-0.37.1/bin/geckodriver", 0o755);
    let on_path = folder.file("path/geckodriver", 0o755);
    let named = folder.file("named", 0o755);
    let (cache, path) = (folder.0.join("cache"), folder.0.join("path"));
    let all: [(&str, &Path); 3] = [
        ("PASSKEY_CACHE", &cache),
        ("PATH", &path),
        ("GECKODRIVER", &named),
    ];
    for (count, driver) in [(1, &cached), (2, &on_path), (3, &named)] {
        let found = find_in(Browser::Firefox, with(&all[..count])).unwrap();
        assert_eq!((found.driver, found.browser), (driver.clone(), None));
    }
}

#[test]
fn browsers_are_taken_in_order_and_only_if_they_can_be_run() {
    let folder = Temporary::new("browsers");
    folder.file("chromedriver", 0o755);
    folder.file("chromium", 0o644);
    let second = folder.file("chromium-browser", 0o755);
    folder.file("google-chrome", 0o755);
    let found = find_in(Browser::Chromium, with(&[("PATH", &folder.0)])).unwrap();
    assert_eq!(found.browser, Some(second));
}

#[test]
fn a_variable_that_names_no_program_is_not_passed_over() {
    let folder = Temporary::new("named");
    folder.file("chromedriver", 0o755);
    let wrong = folder.0.join("nowhere");
    let error = find_in(
        Browser::Chromium,
        with(&[("PATH", &folder.0), ("CHROMEDRIVER", &wrong)]),
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("CHROMEDRIVER names ")
    );
}
