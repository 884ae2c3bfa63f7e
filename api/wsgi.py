"""The WSGI application. Importing this module does no I/O except reading the settings."""

from api.app import create_app
from api.settings import current_settings

application = create_app(current_settings())
