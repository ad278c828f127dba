#!/bin/sh
# Loads new call detail records into an archive, each record once. For cron, after the delivery:
#
#   15 6 * * *  CDR_FOLDER=/srv/cdr CDR_ARCHIVE=/srv/calls.duckdb CDR_LOG=/srv/cdr.log /srv/cdr_daily.sh
#
# Needs: pip install 'sinchvoice[cdr,cli]'; flock, which is part of util-linux.
#
# Loading the whole folder every day is right, and cheap: bytes that were loaded before are skipped,
# and files that came late are not. After a crash, the next run does what was left.
#
# Exit codes: 0 everything is loaded; 1 a file cannot be read (the others are loaded); 2 a variable
# is missing; 65 records are rejected, or a day is missing; 75 the run before is still at work.
# Standard error has a line for each of them, which cron sends by mail; the log has the rest.
set -u
if [ -z "${CDR_FOLDER:-}" ] || [ -z "${CDR_ARCHIVE:-}" ] || [ -z "${CDR_LOG:-}" ]; then
    echo "set CDR_FOLDER, CDR_ARCHIVE and CDR_LOG" >&2
    exit 2
fi
: "${SINCHVOICE:=sinchvoice}" # the command, if it is not on the path of cron

log() { # writes each line of standard input to the log, with the time
    while IFS= read -r line; do
        printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$line"
    done >>"$CDR_LOG"
}

fail() { # tells why on standard error and in the log, and exits with a code
    echo "$2" >&2
    echo "$2" | log
    exit "$1"
}

# One run at a time. The lock goes with the process, however that ends.
exec 9>>"$CDR_ARCHIVE.lock"
flock --nonblock 9 || fail 75 "the run before is still at work: is it stuck?"

report=$(mktemp)
trap 'rm -f "$report"' EXIT

"$SINCHVOICE" cdr load "$CDR_FOLDER" --archive "$CDR_ARCHIVE" >"$report" 2>&1
code=$?
log <"$report"
[ "$code" -eq 0 ] || fail "$code" "cdr load failed with $code: see $CDR_LOG"

"$SINCHVOICE" cdr rejects --archive "$CDR_ARCHIVE" --json >"$report"
rejects=$(grep -c . "$report")
gaps=$("$SINCHVOICE" cdr completeness --archive "$CDR_ARCHIVE" --json | grep -c '"is_gap": *true')
echo "$rejects open rejects, $gaps gaps" | log
if [ "$rejects" -gt 0 ] || [ "$gaps" -gt 0 ]; then
    log <"$report"
    fail 65 "$rejects open rejects, $gaps gaps: see $CDR_LOG"
fi
