"""The WSGI application, made of the environment. Importing it does no I/O beyond reading that."""

from api.app import create_app
from api.settings import settings_in_force

application = create_app(settings_in_force())
