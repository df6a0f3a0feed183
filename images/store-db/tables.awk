# Reads a dump for restore-database. With `survey` it prints the size and the name of each table. Otherwise it prints what one connection executes:
# the settings, and the tables that the file `shares` gives to `connection`. What needs all rows, such as triggers, goes to the file `later`.
BEGIN {
  while (shares && (getline line <shares) > 0) share[substr(line, index(line, " ") + 1)] = substr(line, 1, index(line, " ") - 1)
}
# bodies of triggers, routines and events
/^DELIMITER ;;/ { code = 1 }
code { print >later; if (/^DELIMITER ;$/) code = 0; next }

# a row has a line of its own, which ends in a comma or a semicolon
inside || /^(CREATE TABLE|INSERT INTO) / {
  if (!inside) {
    match($0, /`[^`]*(``[^`]*)*`/)
    table = substr($0, RSTART, RLENGTH)
  }
  inside = !/;$/
  bytes[table] += length($0)
  if (!survey && share[table] == connection) print
  next
}
survey { next }

# Without unique checks InnoDB would fill an empty table in bulk, which sorts it in temporary files and lets the server's statistics thread spin until it
# is done.
table == "" && /^\/\*(M|![0-9]+ SET )/ { sub(/UNIQUE_CHECKS=0/, "UNIQUE_CHECKS=1"); print }
# tables may refer to it
/^CREATE SEQUENCE / { sub(/SEQUENCE/, "SEQUENCE IF NOT EXISTS"); print; next }

# The database is empty. A lock of a table would include those that it refers to.
/^(DROP TABLE|LOCK TABLES|UNLOCK TABLES|COMMIT;|SET AUTOCOMMIT=|SET @OLD_AUTOCOMMIT=)/ || /^\/\*!40000 ALTER TABLE / { next }
{ print >later }
END { if (survey) for (table in bytes) print bytes[table], table }
