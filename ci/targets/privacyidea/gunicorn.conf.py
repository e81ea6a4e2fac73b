import glob
import os
import shutil

_state = os.environ["PI_STATE"]

bind = f"127.0.0.1:{os.environ['PORT']}"
pythonpath = os.path.dirname(os.path.abspath(__file__))
wsgi_app = "app:application"
chdir = _state  # where the user store is, whose path is a relative one
pidfile = os.path.join(_state, "gunicorn.pid")
threads = 4
keepalive = 60  # seconds; it closes connections after two, and a request may be on its way then
control_socket_disable = True


def on_starting(server):
    """Removes the folders of servers that were killed, and could not remove them."""
    for file in glob.glob(os.path.join(os.path.dirname(_state), "tmp.*", "gunicorn.pid")):
        folder = os.path.dirname(file)
        try:
            os.kill(int(open(file).read()), 0)
        except ProcessLookupError:
            if os.path.exists(os.path.join(folder, "privacyidea.sqlite")):
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):
            pass  # somebody else's, or one that is ending


def on_exit(server):
    shutil.rmtree(_state, ignore_errors=True)
