#!/usr/bin/env bash
# field NAME: of the gateway's JSON (jq does it, too)
field() { sed -n "s/.*\"$1\": \{0,1\}\"\([^\"]*\)\".*/\1/p"; }

# decided URL DETAIL: waits until an operator has decided; the gateway answers every few seconds, decided or not.
decided() {
    local json=$2 ticket
    ticket=$(field ticket <<<"$json")
    while [ "$(field state <<<"$json")" = pending ]; do
        json=$(psql "$1" -XqAt -c "SHOW backstop.wait.\"$ticket\"") || return
    done
    field state <<<"$json"
}

# when_approved URL SQL: runs one statement; where it is held, the same statement again once it is approved.
when_approved() {
    local said
    while ! said=$(psql "$1" -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -c "$2" 2>&1 >&3); do
        case $said in
        *"ERROR:  ZB001:"*)
            echo held
            [ "$(decided "$1" "$(grep ^DETAIL: <<<"$said")")" = approved ] || { echo stopped; return 3; }
            ;;
        *) sed -n 's/^ERROR:  \([0-9A-Z]*\):.*/stopped \1/p' <<<"$said"; return 3 ;; # ZB002 is an operator's no
        esac
    done
} 3>&1

echo "read $(psql "$1" -XAt -c 'SELECT count(*) FROM orders')"
when_approved "$1" "DELETE FROM orders WHERE paid = false" && echo deleted
