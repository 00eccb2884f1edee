#!/usr/bin/env bash
#
# PostgreSQL's own programs; see ../__init__.py.
#
#   clients.sh psql|pg_dump|pg_restore|pgbench URL CERTIFICATE-OF-ANOTHER direct|gateway
set -uo pipefail
client=$1 url=$2 other=$3 way=$4
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
# SCRAM-SHA-256-PLUS, which only libpq is told to insist on.
export PGCHANNELBINDING=require PGAPPNAME=clients
elsewhere=$(sed "s|sslrootcert=.*|sslrootcert=$other|" <<<"$url")

quoted() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1"; }
passed() { echo "{\"item\": \"$1\", \"result\": \"passed\"}"; }
failed() { echo "{\"item\": \"$1\", \"result\": \"failed\", \"why\": $(quoted "$2")}"; }
not_offered() { echo "{\"item\": \"$1\", \"result\": \"not offered\", \"why\": $(quoted "$2")}"; }
# item NAME WANTED COMMAND..: what the command prints matches the pattern.
item() {
    local name=$1 wanted=$2 got
    shift 2
    got=$("$@" 2>&1)
    # shellcheck disable=SC2053
    if [[ $got == $wanted ]]; then passed "$name"; else failed "$name" "$got"; fi
}
# The text of an error, as libpq writes it, taken apart.
fields() {
    local state message detail
    state=$(sed -nE 's/.*ERROR:  ([A-Z0-9]{5}): .*/\1/p' <<<"$1" | head -1)
    message=$(sed -nE 's/.*ERROR:  (.{5}: )?(.*)/\2/p' <<<"$1" | head -1)
    detail=$(sed -nE 's/.*DETAIL:  (\{.*\})$/\1/p' <<<"$1" | head -1)
    echo "{\"sqlstate\": \"${state:-$2}\", \"message\": $(quoted "$message"), \"detail\": $(quoted "$detail")}"
}
# held COMMAND..: refused with a ticket, then approved, then it succeeds once.
held() {
    local first again
    if [ "$way" = direct ]; then
        if first=$("$@" 2>&1); then passed held; else failed held "$first"; fi
        return
    fi
    if first=$("$@" 2>&1); then failed held "it was not held"; return; fi
    echo "{\"held\": $(fields "$first" "$unknown")}"
    read -r _
    if ! again=$("$@" 2>&1); then failed held "approved, and: $again"; return; fi
    if again=$("$@" 2>&1); then failed held "it ran again"; return; fi
    if [ "$(fields "$first" -)" = "$(fields "$again" -)" ]; then failed held "the same ticket again"; return; fi
    passed held
}

ask() { psql -X -At -v ON_ERROR_STOP=1 -v VERBOSITY=verbose "$url" "$@"; }
script() { ask -f -; }
unknown=""

run_psql() {
    item tls "*certificate verify failed*" psql -X -c "SELECT 1" "$elsewhere"
    item unprepared $'1|two|\n50' ask -c "SELECT 1, 'two', NULL" -c "SELECT count(*) FROM club.types"
    if [ "$major" -ge 16 ]; then
        item parameters $'wörd 7' script <<<'SELECT word FROM club.types WHERE id = $1 \bind 7 \g'
    else
        not_offered parameters 'its \bind came with PostgreSQL 16'
    fi
    item prepared $'PREPARE\nwörd 3\nwörd 4' script <<'SQL'
PREPARE w (int) AS SELECT word FROM club.types WHERE id = $1;
EXECUTE w (3);
EXECUTE w (4);
SQL
    not_offered binary "results are always text"
    item server_side_cursor "$(seq 50)" script <<'SQL'
\set FETCH_COUNT 7
SELECT id FROM club.types ORDER BY id;
SQL
    item copy_out "$(seq 50)" ask -c "\copy (SELECT id FROM club.types ORDER BY id) TO STDOUT"
    seq 1000 | sed 's/$/\tline/' >"$here/lines"
    item copy_in $'COPY 1000\n1000' ask -c "\copy club.inbox FROM '$here/lines'" -c "SELECT count(*) FROM club.inbox"
    if [ "$major" -ge 18 ]; then
        item pipeline $'1\n2' script <<<'\startpipeline
SELECT $1 \bind 1 \sendpipeline
SELECT $1 \bind 2 \sendpipeline
\endpipeline'
    else
        not_offered pipeline "its pipelines came with PostgreSQL 18"
    fi
    item notify $'LISTEN\nNOTIFY\n*"club"*"news"*' script <<'SQL'
LISTEN club;
NOTIFY club, 'news';
SQL
    item cancel "*57014*canceling statement due to user request*" timeout --foreground -s INT 0.5 \
        psql -X -v VERBOSITY=verbose -c "SELECT pg_sleep(30)" "$url"
    item error_in_a_transaction $'BEGIN\nINSERT 0 1\n*22012*25P02*ROLLBACK\n0' psql -X -At -v VERBOSITY=verbose "$url" <<'SQL'
BEGIN;
INSERT INTO club.inbox VALUES (-1, 'lost');
SELECT 1/0;
SELECT 1;
ROLLBACK;
SELECT count(*) FROM club.inbox WHERE n < 0;
SQL
    held ask -c "UPDATE club.held SET times = times + 1 WHERE id <= 3"
}

of_sql="it runs no SQL of its user"

run_pg_dump() {
    item tls "*certificate verify failed*" pg_dump -s -d "$elsewhere"
    for name in unprepared parameters prepared binary server_side_cursor; do not_offered $name "$of_sql"; done
    item copy_out "*COPY club.types (id, big, word, bytes) FROM stdin;"$'\n'"1*wörd 50*" \
        pg_dump -a -t club.types -d "$url"
    for name in copy_in pipeline notify cancel error_in_a_transaction held; do not_offered $name "$of_sql"; done
}

# What is held is its SET check_function_bodies; it goes on without. A rule or an operator allows it.
run_pg_restore() {
    local restore=(pg_restore -a -d "$url" "$here/dump")
    ask -c "COPY (SELECT n, 'line ' || n FROM generate_series(1, 1000) n) TO STDOUT" >"$here/lines"
    ask -c "\copy club.inbox FROM '$here/lines'" >/dev/null
    pg_dump -Fc -a -t club.inbox -f "$here/dump" -d "$url"
    item tls "*certificate verify failed*" pg_restore -d "$elsewhere" "$here/dump"
    for name in unprepared parameters prepared binary server_side_cursor copy_out; do not_offered $name "$of_sql"; done
    "${restore[@]}" 2>/dev/null
    item copy_in 2000 ask -c "SELECT count(*) FROM club.inbox"
    for name in pipeline notify cancel error_in_a_transaction; do not_offered $name "$of_sql"; done
    unknown=ZB001 # it does not show the SQLSTATE
    held "${restore[@]}"
}

bench() { pgbench -n -c 1 -t 1 -f "$here/script" "$@" "$url" 2>&1; }
# script TEXT [OPTION..]: a transaction of pgbench.
transaction() { printf '%s\n' "$1" >"$here/script"; shift; bench "$@"; }

run_pgbench() {
    local done="*actually processed: 1/1*"
    item tls "*certificate verify failed*" pgbench -n -S "$elsewhere"
    item unprepared "$done" transaction "SELECT count(*) FROM club.types;" -M simple
    item parameters "$done" transaction '\set n random(1, 50)
SELECT word FROM club.types WHERE id = :n;' -M extended
    item prepared "*actually processed: 20/20*" transaction '\set n random(1, 50)
SELECT word FROM club.types WHERE id = :n;' -M prepared -t 20
    not_offered binary "results are always text"
    for name in server_side_cursor copy_out copy_in; do not_offered $name "no interface"; done
    item pipeline "$done" transaction '\startpipeline
SELECT 1;
SELECT 2;
\endpipeline' -M extended
    not_offered notify "it does not show them"
    not_offered cancel "no interface"
    not_offered error_in_a_transaction "an error ends its run"
    unknown=ZB001 # it does not show the SQLSTATE
    printf '%s\n' "UPDATE club.held SET times = times + 1 WHERE id <= 3;" >"$here/script"
    held bench_passes
}
bench_passes() {
    local said
    said=$(bench -M prepared)
    echo "$said"
    [[ $said == *"actually processed: 1/1"* ]]
}

version=$("$client" --version | sed -nE 's/.* ([0-9]+)(\.[0-9]+| |$).*/\1/p')
major=$version
echo "{\"client\": \"$client\", \"version\": \"$version\"}"
"run_$client"
