#!/bin/sh
# Back up a PostgreSQL database, or restore the newest backup elsewhere and
# compare, and print the record that the test `backup` judges.
#
#   postgres-drill.sh backup URI FOLDER
#   postgres-drill.sh restore URI-OF-ANOTHER-SERVER FOLDER
#
# What is compared was counted and digested in the same snapshot as the backup,
# so that the database may go on changing.
set -eu

# For each table its name, its rows, and a digest of them.
contents_of='SELECT format(
  $q$SELECT %L, count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), $$$$)) FROM %I.%I t$q$,
  schemaname || $$.$$ || tablename, schemaname, tablename)
FROM pg_tables WHERE schemaname NOT IN ($$pg_catalog$$, $$information_schema$$)
ORDER BY schemaname, tablename \gexec'

# Which server this is, wherever it is reached.
server_of="SELECT system_identifier FROM pg_control_system()"

ask() {
  psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "$@"
}

backup() {
  URI=$1 FILE=$2/$(date +%s%N).dump
  export URI FILE
  ask "$URI" <<END
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
\\! pg_dump --format=custom --snapshot="\$SNAPSHOT" --file="\$FILE.partial" "\$URI" && mv "\$FILE.partial" "\$FILE.whole"
\\o '$FILE.contents'
$server_of;
$contents_of
COMMIT;
END
  # psql does not tell how pg_dump ended: only a whole dump has this name, and
  # only one whose contents are known gets the name that counts.
  mv "$FILE.whole" "$FILE"
}

restore() {
  uri=$1 folder=$2
  newest=$(find "$folder" -name '*.dump' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  printf '{"schema_version":1,"backups":['
  find "$folder" -name '*.dump' | sort | {
    comma=
    while read -r file; do
      if pg_restore --file=/dev/null "$file" 2>/dev/null; then verified=true; else verified=false; fi
      printf '%s{"made":"%s","sha256":"%s","bytes":%s,"verified":%s}' "$comma" \
        "$(date --utc --reference="$file" +%Y-%m-%dT%H:%M:%SZ)" \
        "$(sha256sum "$file" | cut -d ' ' -f 1)" "$(stat --format=%s "$file")" "$verified"
      comma=,
    done
  }
  printf '],"restores":['
  if [ -n "$newest" ]; then
    started=$(date +%s%3N)
    # What an earlier drill left must not pass for this one's.
    ask "$uri" --command 'SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public'
    # An index or a constraint that was not restored changes no row, so an end
    # in error is a difference as well.
    status=0
    pg_restore --no-owner --dbname="$uri" "$newest" >&2 || status=$?
    ended=$(date +%s%3N)
    found=$(mktemp)
    printf '%s\n' "$contents_of" | ask "$uri" >"$found"
    printf '{"backup":"%s","at":"%s","from":"%s","into":"%s","milliseconds":%s,"compared":[' \
      "$(sha256sum "$newest" | cut -d ' ' -f 1)" "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" \
      "$(head -n 1 "$newest.contents")" "$(ask "$uri" --command "$server_of")" "$((ended - started))"
    comma=
    if [ "$status" != 0 ]; then
      printf '{"what":"exit status of pg_restore","original":"0","restored":"%s"}' "$status"
      comma=,
    fi
    tail -n +2 "$newest.contents" | awk -F '|' -v found="$found" -v comma="$comma" '
      function text(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return s }
      BEGIN { while ((getline line < found) > 0) { split(line, f, "|"); copy[f[1]] = f[2] " rows " f[3] } }
      {
        printf "%s{\"what\":\"%s\",\"original\":\"%s\",\"restored\":\"%s\"}", comma, text($1),
          text($2 " rows " $3), text(($1 in copy) ? copy[$1] : "nothing")
        comma = ","
      }'
    rm -f "$found"
    printf ']}'
  fi
  printf ']}\n'
}

case ${1-} in
  backup) backup "$2" "$3" ;;
  restore) restore "$2" "$3" ;;
  *) echo "usage: $0 backup|restore URI FOLDER" >&2; exit 2 ;;
esac
