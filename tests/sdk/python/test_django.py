"""Django's ORM with ENGINE "backstop.django"."""

import django
import pytest
from django.conf import settings
from django.db import connection, models, transaction
from django.db.utils import DatabaseError, ProgrammingError

import backstop

settings.configure(DATABASES={"default": {"ENGINE": "backstop.django", "NAME": "app", "CONN_MAX_AGE": None}},
                   USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()


class Order(models.Model):
    id = models.IntegerField(primary_key=True)
    status = models.TextField()

    class Meta:
        app_label, managed, db_table = "shop", False, 'py"."orders'


@pytest.fixture
def shop(site):
    connection.close()
    connection.settings_dict.update(
        USER=site.agent, PASSWORD=site.gateway.passwords[site.agent], HOST="127.0.0.1", PORT=site.gateway.port)
    yield site
    connection.close()


def test_it_is_held_and_djangos_error(shop):
    with pytest.raises(backstop.Held) as caught:
        Order.objects.filter(status="open").delete()
    held = caught.value
    pending, = shop.operator.tickets()
    assert isinstance(held, DatabaseError) and held.ticket == pending["id"]
    assert Order.objects.count() == 100


def test_in_a_transaction(shop):
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        assert Order.objects.count() == 100
        Order.objects.all().delete()
    assert isinstance(caught.value, backstop.Held) and caught.value.retry == "same-transaction"
    assert Order.objects.count() == 100


def test_blocked_is_typed(shop):
    with connection.cursor() as cursor, pytest.raises(DatabaseError) as caught:
        cursor.execute("DELETE FROM py.secret")
    assert isinstance(caught.value, backstop.Blocked)


def test_errors_of_postgresql_stay_what_they_are(shop):
    with connection.cursor() as cursor, pytest.raises(ProgrammingError) as caught:
        cursor.execute("SELECT * FROM py.nothing")
    assert not isinstance(caught.value, backstop.BackstopError)


def test_open_connections_say_what_the_run_is_for(shop):
    assert Order.objects.count() == 100
    with backstop.run(purpose="100% tidy", run_id="r-1"), pytest.raises(backstop.Held):
        Order.objects.filter(status__startswith="o%").delete()
    ticket, = shop.operator.tickets()
    assert ticket["claims"] == {"run": "r-1", "purpose": "100% tidy"}


def test_new_connections_say_it_at_start_up(shop):
    with backstop.run(purpose="nightly", run_id="r-2"):
        assert Order.objects.count() == 100
    with pytest.raises(backstop.Held):
        Order.objects.all().delete()
    ticket, = shop.operator.tickets()
    assert ticket["claims"] == {"run": "r-2", "purpose": "nightly"}


def test_a_transaction_is_run_again_as_a_whole(shop):
    deciding = shop.decide_next()

    @backstop.retry_on_approval(timeout=60)
    @transaction.atomic
    def work():
        assert Order.objects.count() == 100
        Order.objects.filter(id__lt=50).delete()

    work()
    deciding.done()
    assert shop.count("orders") == 51


def test_a_statement_alone_is_run_again(shop):
    deciding = shop.decide_next()
    for attempt in backstop.retry_on_approval(timeout=60):
        with attempt:
            Order.objects.filter(id__lt=50).delete()
    deciding.done()
    assert shop.count("orders") == 51


def test_inside_of_another_ones_transaction_nothing_is_repeated(shop):
    with pytest.raises(backstop.Held), transaction.atomic():
        assert Order.objects.count() == 100
        backstop.retry_on_approval(timeout=60)(Order.objects.all().delete)()
    assert shop.count("orders") == 100


def test_denied_is_not_run_again(shop):
    deciding = shop.decide_next("deny")
    with pytest.raises(backstop.Denied) as caught:
        backstop.retry_on_approval(timeout=60)(Order.objects.all().delete)()
    deciding.done()
    assert isinstance(caught.value, DatabaseError)
    assert shop.count("orders") == 100 and shop.operator.tickets() == []
