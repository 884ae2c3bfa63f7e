"""The WSGI application, made of the environment. Importing it does no I/O beyond reading that."""

from api.app import create_app
from api.settings import current_settings

application = create_app(current_settings())
