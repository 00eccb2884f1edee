#!/usr/bin/env bash
#
# demo.sh - nine seconds of destruction, survived: run by `backstop demo`, which sets BACKSTOP.
#
# Everything happens in one temporary folder, over loopback, and is gone afterwards. Nothing is
# simulated: a real PostgreSQL, a real gateway, a real agent with a password of its own, an
# operator with a token, and a recovery point that has to be good.
set -euo pipefail

keep=no
for arg in "$@"; do
    case $arg in
    --keep) keep=yes ;;
    *) echo "backstop demo: unknown option \"$arg\"" >&2; exit 64 ;;
    esac
done

# --- how it looks --------------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' yellow='' plain=''
fi
now_ms() { date +%s%3N; }
started=$(now_ms)
chapter() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '  %s\n' "$*"; }
note() { printf '  %s%s%s\n' "$dim" "$*" "$plain"; }
quote() { sed "s/^/    ${dim}|${plain} /"; }
took() { printf '  %s(%d ms)%s\n' "$dim" "$(($(now_ms) - $1))" "$plain"; }
fail() { printf '%sdemo: %s%s\n' "$red" "$*" "$plain" >&2; exit 1; }

# --- the stage -----------------------------------------------------------------------------

find_pg() {
    local dir
    for dir in "${BACKSTOP_PG_BIN:-}" "$(pg_config --bindir 2>/dev/null || true)" \
        $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r); do
        [ -n "$dir" ] && [ -x "$dir/initdb" ] && [ -x "$dir/pg_dump" ] && { echo "$dir"; return; }
    done
    fail "no PostgreSQL server programs found; install postgresql-15 or set BACKSTOP_PG_BIN"
}
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    fail "no free port"
}
# PostgreSQL refuses to run as root.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

[ -x "${BACKSTOP:-}" ] || fail "BACKSTOP does not name the backstop program"
pg=$(find_pg)
major=$("$pg/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
dir=$(mktemp -d "${TMPDIR:-/tmp}/backstop-demo.XXXXXX")
chmod 755 "$dir"
pg_port=$(free_port)
gw_port=$(free_port)
api_port=$(free_port)
gateway_pid=

clean_up() {
    local status=$?
    trap '' INT TERM # a second Ctrl-C would leave the server running
    trap - EXIT
    [ -z "$gateway_pid" ] || { kill "$gateway_pid" 2>/dev/null && wait "$gateway_pid" 2>/dev/null; } || true
    [ ! -e "$dir/pg/postmaster.pid" ] ||
        (cd / && as_server "$pg/pg_ctl" -D "$dir/pg" -m immediate -w stop >/dev/null 2>&1) || true
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS PGSSLMODE
owner() { psql -X -q -v ON_ERROR_STOP=1 "host=$dir/pg port=$pg_port user=app_rw dbname=shop" "$@"; }

start_postgres() {
    mkdir "$dir/pg"
    [ "$(id -u)" != 0 ] || chown postgres "$dir/pg"
    chmod 700 "$dir/pg"
    cd /
    as_server "$pg/initdb" -D "$dir/pg" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
    chmod 711 "$dir/pg"
    cat >>"$dir/pg/postgresql.conf" <<CONF
listen_addresses = ''
port = $pg_port
unix_socket_directories = '$dir/pg'
log_min_messages = warning
CONF
    chmod 700 "$dir/pg"
    as_server "$pg/pg_ctl" -D "$dir/pg" -l "$dir/pg/log" -w start >/dev/null
    chmod 711 "$dir/pg"
    psql -X -q "host=$dir/pg port=$pg_port user=postgres dbname=postgres" <<SQL
CREATE ROLE app_rw LOGIN;
CREATE ROLE backstop LOGIN BYPASSRLS;
GRANT pg_read_all_data, pg_signal_backend, pg_monitor TO backstop;
CREATE DATABASE shop OWNER app_rw;
SQL
}

make_shop() {
    owner <<'SQL'
ALTER SCHEMA public OWNER TO app_rw;
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    since date NOT NULL DEFAULT current_date);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    placed timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'paid', 'sent')));
CREATE TABLE items (
    order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line int NOT NULL,
    product text NOT NULL,
    price numeric(10,2) NOT NULL,
    PRIMARY KEY (order_id, line));
CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE VIEW order_totals AS
    SELECT o.id, c.name, o.placed, sum(i.price) AS total
    FROM orders o JOIN customers c ON c.id = o.customer_id JOIN items i ON i.order_id = o.id
    GROUP BY o.id, c.name, o.placed;
CREATE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.email := lower(NEW.email); RETURN NEW; END$$;
CREATE TRIGGER lower_email BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION lower_email();
COMMENT ON TABLE customers IS 'people who trust us';
INSERT INTO customers (name, email, since)
    SELECT 'customer ' || n, 'Customer' || n || '@example.com', date '2020-01-01' + n % 2000
    FROM generate_series(1, 10000) n;
INSERT INTO orders (customer_id, placed, status)
    SELECT 1 + n % 10000, timestamptz '2024-01-01' + n * interval '7 minutes',
           (ARRAY['open', 'paid', 'sent'])[1 + n % 3]
    FROM generate_series(1, 60000) n;
INSERT INTO items SELECT 1 + (n - 1) % 60000, 1 + (n - 1) / 60000, 'product ' || n % 997, (n % 9999) / 100.0
    FROM generate_series(1, 130000) n;
ANALYZE customers, orders, items;
SQL
}

# The schema as text and each table's rows as one hash: what must be the same in the end.
fingerprint() {
    "$pg/pg_dump" -s "host=$dir/pg port=$pg_port user=postgres dbname=shop" |
        grep -v '^\\restrict\|^\\unrestrict'
    owner -At <<'SQL'
SELECT 'customers', count(*), md5(string_agg(c::text, E'\n' ORDER BY id)) FROM customers c;
SELECT 'orders', count(*), md5(string_agg(o::text, E'\n' ORDER BY id)) FROM orders o;
SELECT 'items', count(*), md5(string_agg(i::text, E'\n' ORDER BY order_id, line)) FROM items i;
SELECT sequencename, last_value FROM pg_sequences ORDER BY 1;
SQL
}

start_gateway() {
    mkdir "$dir/gateway"
    cat >"$dir/gateway/backstop.yaml" <<YAML
listen: ["127.0.0.1:$gw_port"]
operators: {listen: "127.0.0.1:$api_port"}
databases:
  shop:
    upstream: "host=$dir/pg port=$pg_port dbname=shop user=app_rw"
    helper: "host=$dir/pg port=$pg_port dbname=shop user=backstop"
    environment: demo
state: sqlite://$dir/gateway/state.db
audit: {directory: $dir/gateway/audit}
storage: file://$dir/gateway/points
spool: $dir/gateway/spool
hold: {wait: 5m, notice: 10s, decide: 15m, redeem: 15m} # whoever approves is new here, and reads
recovery: {pg_dump: {$major: $pg/pg_dump}}
YAML
    export BACKSTOP_CONFIG=$dir/gateway/backstop.yaml
    agent_password=$("$BACKSTOP" agents add shop-helper --database shop --owner alice --json |
        sed -n 's/.*"password": *"\([^"]*\)".*/\1/p')
    BACKSTOP_TOKEN=$("$BACKSTOP" operators add kim --role approver --json |
        sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
    [ -n "$agent_password" ] && [ -n "$BACKSTOP_TOKEN" ] || fail "no credentials were made"
    export BACKSTOP_TOKEN BACKSTOP_SERVER=http://127.0.0.1:$api_port
    "$BACKSTOP" serve 2>"$dir/gateway/log" &
    gateway_pid=$!
    for _ in $(seq 100); do
        grep -q '"ready"\| ready' "$dir/gateway/log" && return
        kill -0 "$gateway_pid" 2>/dev/null || { cat "$dir/gateway/log" >&2; fail "the gateway did not start"; }
        sleep 0.1
    done
    fail "the gateway is not ready"
}

# --- the players ---------------------------------------------------------------------------

# The agent: psql, its own name and password, and nothing else.
agent() {
    PGPASSWORD=$agent_password psql -X -v VERBOSITY=default -P pager=off \
        "host=127.0.0.1 port=$gw_port user=shop-helper dbname=shop sslmode=prefer" -c "$1" 2>&1
}
agent_says() { printf '  %sagent>%s %s\n' "$yellow" "$plain" "$1"; }

pending() {
    "$BACKSTOP" approvals list --json | tr -d '\n ' | grep -o '"id":"T-[0-9A-Z]*"' |
        sed 's/.*"\(T-[^"]*\)"/\1/' | head -1
}
wait_for_ticket() {
    for _ in $(seq 300); do
        ticket=$(pending)
        [ -z "$ticket" ] || return 0
        kill -0 "$1" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# Whether to approve is yours to say where there is a terminal; a denial is the script's.
decide() {
    local answer=$1 reply
    if [ "$answer" = approve ] && [ -t 0 ] && [ -t 1 ]; then
        printf '  %soperator>%s approve %s? [Y/n] ' "$green" "$plain" "$ticket"
        read -r reply
        case $reply in n* | N*) answer=deny ;; esac
    fi
    printf '  %soperator>%s backstop approvals %s %s\n' "$green" "$plain" "$answer" "$ticket"
    "$BACKSTOP" approvals "$answer" "$ticket" --reason "demo" >/dev/null
    decided=$answer
}

# A statement that is held: the agent waits on one side, the operator decides on the other.
held() {
    local sql=$1 wanted=$2 began pid
    agent_says "$sql"
    began=$(now_ms)
    agent "$sql" >"$dir/agent.out" &
    pid=$!
    wait_for_ticket "$pid" || { quote <"$dir/agent.out"; fail "this should have been held: $sql"; }
    "$BACKSTOP" approvals show "$ticket" | quote
    decide "$wanted"
    wait "$pid" || true
    quote <"$dir/agent.out"
    took "$began"
}

refused() {
    local sql=$1 began
    agent_says "$sql"
    began=$(now_ms)
    if agent "$sql" >"$dir/agent.out"; then
        quote <"$dir/agent.out"
        fail "this should have been refused: $sql"
    fi
    quote <"$dir/agent.out"
    took "$began"
}

# A verb of the operator's, with the exit status that the story expects of it.
operator_does() {
    local want=$1 began status=0
    shift
    printf '  %soperator>%s backstop %s\n' "$green" "$plain" "$1 $2 $3"
    began=$(now_ms)
    "$BACKSTOP" "$@" >"$dir/step.out" 2>&1 || status=$?
    quote <"$dir/step.out"
    took "$began"
    [ "$status" = "$want" ] || fail "this step ended with status $status, not $want"
}

# --- the story -----------------------------------------------------------------------------

chapter "A shop, a database, a gateway"
start_postgres
make_shop
fingerprint >"$dir/before"
start_gateway
say "PostgreSQL $major with $(owner -At -c 'SELECT (SELECT count(*) FROM customers) + (SELECT count(*) FROM orders) + (SELECT count(*) FROM items)') rows; in front of it Backstop."
say "The agent \"shop-helper\" has a password for Backstop. It has none for the database."
took "$started"

chapter "The agent works"
agent_says "SELECT status, count(*) FROM orders GROUP BY status ORDER BY status"
agent "SELECT status, count(*) FROM orders GROUP BY status ORDER BY status" | quote
agent_says "SELECT name, total FROM order_totals ORDER BY total DESC LIMIT 3"
agent "SELECT name, total FROM order_totals ORDER BY total DESC LIMIT 3" | quote

chapter "The agent goes wrong"
held "DELETE FROM orders WHERE true" deny
held "WITH gone AS (DELETE FROM items RETURNING 1) SELECT count(*) FROM gone" deny
held "DO \$\$ BEGIN EXECUTE 'DEL' || 'ETE FROM customers'; END \$\$" deny
refused "COMMIT; DROP SCHEMA public CASCADE"
fingerprint >"$dir/now"
cmp -s "$dir/before" "$dir/now" || fail "something changed although nothing was approved"
note "nothing has changed so far: schema and rows are the same"

chapter "An operator lets one through"
held "DROP TABLE customers CASCADE" approve
if [ "$decided" = approve ]; then
    [ "$(owner -At -c "SELECT count(*) FROM pg_class WHERE relname = 'customers'")" = 0 ] || fail "the table is still there"
    say "${red}customers is gone${plain}, and with it a view and a foreign key."
    gone_at=$(now_ms)

    chapter "The way back"
    point=$("$BACKSTOP" points list --json | tr -d '\n ' | grep -o '"point":"RP-[0-9A-Z]*"' | sed 's/.*"\(RP-[^"]*\)"/\1/' | head -1)
    [ -n "$point" ] || fail "there is no recovery point"
    admin="host=$dir/pg port=$pg_port user=postgres dbname=shop"
    operator_does 0 points verify "$point"
    operator_does 0 restore preview "$point" --dsn "$admin"
    operator_does 0 restore run "$point" --dsn "$admin" --yes
    operator_does 1 restore diff "$point" --dsn "$admin"
    operator_does 0 restore copy-back "$point" --dsn "$admin" --yes
    operator_does 0 restore diff "$point" --dsn "$admin"
    operator_does 0 restore discard "$point" --dsn "$admin" --yes
    say "back after $(($(now_ms) - gone_at)) ms"
else
    say "You kept the table. There is nothing to bring back."
fi

chapter "What is on record"
"$BACKSTOP" audit verify | quote
fingerprint >"$dir/after"

chapter "What was lost"
if ! cmp -s "$dir/before" "$dir/after"; then
    diff "$dir/before" "$dir/after" | head -40 | quote
    fail "schema or rows differ from the start"
fi
printf '  %snothing%s: schema and rows are identical to the start, after %d.%01d s.\n' "$green" "$plain" \
    $((($(now_ms) - started) / 1000)) $((($(now_ms) - started) % 1000 / 100))

if [ "$keep" = yes ]; then
    chapter "Still running (Ctrl-C ends it)"
    note "all of it is made for this demo and gone with it; docs/guide.md walks you through"
    say "console:  $BACKSTOP_SERVER/"
    say "token:    $BACKSTOP_TOKEN (signs you in as the operator kim)"
    say "agent:    PGPASSWORD=$agent_password psql 'host=127.0.0.1 port=$gw_port user=shop-helper dbname=shop'"
    say "          and, say, DROP TABLE customers CASCADE; it waits for you in the console"
    say "terminal: export BACKSTOP_SERVER=$BACKSTOP_SERVER BACKSTOP_TOKEN=$BACKSTOP_TOKEN BACKSTOP_CONFIG=$BACKSTOP_CONFIG"
    say "          $BACKSTOP approvals list; $BACKSTOP points list; $BACKSTOP audit tail"
    wait "$gateway_pid"
fi
