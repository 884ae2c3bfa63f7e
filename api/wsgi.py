"""The WSGI application, made of the environment. Importing it does no I/O beyond reading that."""

from api.app import create_app
from api.settings import load_settings

application = create_app(load_settings())
