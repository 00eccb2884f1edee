"""Django's manage.py of one app: django_shop.py FOLDER COMMAND [ARG..]; libpq's variables say where."""

import json
import os
import pathlib
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line

SPEC = pathlib.Path(__file__).parents[2] / "data" / "migrations" / "shop.json"

MODELS = '''
import json, os, pathlib
from django.db import models

TYPES = {{"text": lambda: models.TextField(null=True), "timestamp": lambda: models.DateTimeField(null=True),
         "numeric": lambda: models.DecimalField(max_digits=12, decimal_places=2, null=True),
         "bool": lambda: models.BooleanField(null=True), "int": lambda: models.IntegerField(null=True)}}

for t in json.loads(pathlib.Path({spec!r}).read_text()):
    fields = {{c["name"]: TYPES[c["type"]]() for c in t["columns"]}}
    if os.environ.get("SHOP_RANKED"):
        fields["rank"] = models.IntegerField(default=1)
    fields |= {{r: models.ForeignKey("shop." + r, models.CASCADE) for r in t["refs"]}}
    meta = type("Meta", (), {{"db_table": t["name"], "app_label": "shop"}})
    globals()[t["name"]] = type(t["name"], (models.Model,), {{**fields, "Meta": meta, "__module__": __name__}})
'''


def main(folder, *args):
    app = pathlib.Path(folder) / "shop"
    (app / "migrations").mkdir(parents=True, exist_ok=True)
    for file in (app / "__init__.py", app / "migrations" / "__init__.py"):
        file.touch()
    (app / "models.py").write_text(MODELS.format(spec=str(SPEC)))
    sys.path.insert(0, folder)
    settings.configure(
        DATABASES={"default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
            "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"],
            "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}},
        INSTALLED_APPS=["shop"],
        USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
    django.setup()
    execute_from_command_line(["manage.py", *args])


if __name__ == "__main__":
    main(*sys.argv[1:])
