"""Django's management commands that only read, in one process: ENV of libpq."""

import io
import os
import subprocess

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"],
        "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions",
                    "django.contrib.postgres"],
    USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.db import connection, models  # noqa: E402
from django.db.backends.postgresql.client import DatabaseClient  # noqa: E402


def run(*args, **options):
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=out, **options)
    return out.getvalue()


run("check", databases=["default"])
run("migrate", plan=True)
run("showmigrations")
run("showmigrations", plan=True)
run("sqlmigrate", "auth", "0001")
run("makemigrations", dry_run=True, check_changes=False)
run("inspectdb", include_views=True, include_partitions=True)
run("sqlflush")
subprocess.run([*DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, ["-X"])[0]],
               input=b"\\d\nSELECT 1;\n", stdout=subprocess.DEVNULL, check=True,
               env={**os.environ, **DatabaseClient.settings_to_cmd_args_env(
                   connection.settings_dict, [])[1]})
with connection.cursor() as cursor:
    i = connection.introspection
    cursor.execute("SET search_path = rich, public")
    i.get_table_list(cursor)
    i.table_names(include_views=True)
    i.django_table_names(only_existing=True)
    i.sequence_list()
    for table in ("orders", "customers", "pair_user", "events", "pair"):
        i.get_table_description(cursor, table)
        i.get_sequences(cursor, table)
        i.get_relations(cursor, table)
        i.get_constraints(cursor, table)
        i.get_primary_key_columns(cursor, table)
    i.get_table_description(cursor, "pair")
connection.ensure_connection()
connection.is_usable()
connection.pg_version


class Order(models.Model):
    customer = models.BigIntegerField()
    total = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        app_label, managed, db_table = "shop", False, 'rich"."orders'


list(Order.objects.filter(total__gt=3, customer__in=[1, 2, 5]).order_by("-id")[:5])
Order.objects.aggregate(models.Sum("total"), models.Avg("total"), models.StdDev("total"))
Order.objects.annotate(n=models.Window(models.functions.RowNumber())).count()
Order.objects.filter(pk=1).exists()
list(Order.objects.values("customer").annotate(n=models.Count("id")).order_by())
Order.objects.filter(pk__gt=3).explain()
list(Order.objects.iterator(chunk_size=5))
