import json
import os
import sys

import sqlalchemy
from alembic import command
from alembic.config import Config


def decided(held):
    """Waits until an operator has decided; the gateway answers every few seconds, decided or not."""
    ticket = json.loads(held.diag.message_detail)
    with sqlalchemy.create_engine(os.environ["DATABASE_URL"]).connect() as c:
        while ticket["state"] == "pending":
            ticket = json.loads(c.exec_driver_sql(f'SHOW backstop.wait."{ticket["ticket"]}"').scalar())
    return ticket["state"]


def upgrade(config):
    """A migration that is held is rolled back; it begins anew once it is approved."""
    while True:
        try:
            return command.upgrade(config, "head")
        except sqlalchemy.exc.DBAPIError as error:
            if error.orig.sqlstate != "ZB001":  # it will not run: ZB002 is an operator's no
                raise
            print("held", flush=True)
            if decided(error.orig) != "approved":
                raise


config = Config()
config.set_main_option("script_location", sys.argv[1])
try:
    upgrade(config)
except sqlalchemy.exc.DBAPIError as error:
    print("stopped", error.orig.sqlstate)
    sys.exit(3)
print("applied")
