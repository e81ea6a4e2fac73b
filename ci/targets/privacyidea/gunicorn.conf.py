import os
import shutil

bind = f"127.0.0.1:{os.environ['PORT']}"
pythonpath = os.path.dirname(os.path.abspath(__file__))
wsgi_app = "app:application"
chdir = os.environ["PI_STATE"]  # where the user store is, whose path is a relative one
threads = 4
control_socket_disable = True


def on_exit(server):
    shutil.rmtree(os.environ["PI_STATE"], ignore_errors=True)
