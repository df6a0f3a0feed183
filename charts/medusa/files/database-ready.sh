# Readiness of the database: it answers, and its volume takes writes. A full volume fails every order although the server still answers.
pg_isready --quiet --timeout=3 || { echo "PostgreSQL does not answer"; exit 1; }
file=/var/lib/postgresql/data/.write-test
error=$( { head -c 1048576 /dev/zero >$file; } 2>&1) && rm -f $file && exit 0
rm -f $file
echo "PostgreSQL cannot write to its volume, grow the claim data-store-db-0: ${error##*: }"
exit 1
