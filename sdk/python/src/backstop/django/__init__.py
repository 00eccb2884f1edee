"""Django: a database backend, Django's own for PostgreSQL with typed errors.

    DATABASES = {"default": {"ENGINE": "backstop.django", ...}}

Errors are those of django.db.utils and one of Backstop's, too. Statements inside of backstop.run() say so.
"""
