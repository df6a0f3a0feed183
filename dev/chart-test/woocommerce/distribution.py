"""How restore-database shares a dump between several connections. The dump is one as mariadb-dump writes it; real databases are tested in real pods."""

import os
import subprocess
import tempfile
from pathlib import Path

from images import IMAGES

PROGRAM = IMAGES / "store-db" / "tables.awk"
SETTINGS = r"""/*M!999999\- enable the sandbox mode */
/*!40101 SET NAMES utf8mb4 */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
"""
VIEW = """/*!50001 CREATE VIEW `a` AS SELECT
 1 AS `id` */;
"""
TABLE = """CREATE TABLE `t` (
  `id` int(11) NOT NULL,
  `name` text DEFAULT NULL COMMENT 'not the end;',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
"""
ROWS = [
    "INSERT INTO `t` VALUES\n(1,'a;'),\n(2,'INSERT INTO `t` VALUES\\n(3);');\n",
    "INSERT INTO `t` VALUES\n(4,'DELIMITER ;;');\n",
    "INSERT INTO `t` VALUES (5,'on one line');\n",
]
TRIGGER = """DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER copy AFTER INSERT ON t FOR EACH ROW
BEGIN
INSERT INTO u VALUES
(NEW.id);
END */;;
DELIMITER ;
"""
SEQUENCE = "CREATE SEQUENCE `s` start with 1;\n"
OTHER_TABLE = "CREATE TABLE `u` (\n  `id` int(11)\n) ENGINE=InnoDB;\n"
OTHER_ROW = "INSERT INTO `u` VALUES\n(6);\n"
FINAL_VIEW = "/*!50001 DROP VIEW IF EXISTS `a`*/;\n/*!50001 CREATE VIEW `a` AS SELECT id FROM t */;\n"


def table(definition, name, *rows, after=""):
    return (
        f"--\n-- Table structure for table `{name}`\n--\n\nDROP TABLE IF EXISTS `{name}`;\n{definition}SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;\n"
        f"LOCK TABLES `{name}` WRITE;\n/*!40000 ALTER TABLE `{name}` DISABLE KEYS */;\n{''.join(rows)}/*!40000 ALTER TABLE `{name}` ENABLE KEYS */;\n"
        f"UNLOCK TABLES;\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;\n{after}"
    )


def read(dump, **variables):
    """What the program prints."""
    settings = [argument for name, value in variables.items() for argument in ("-v", f"{name}={value}")]
    done = subprocess.run(["awk", *settings, "-f", PROGRAM], input=dump, capture_output=True, text=True, check=True, timeout=20, env=os.environ | {"LC_ALL": "C"})
    return done.stdout


def shared():
    """Each connection gets the settings and the tables of its share, and triggers and views come after all rows."""
    dump = SETTINGS + VIEW + table(TABLE, "t", *ROWS, after=TRIGGER) + SEQUENCE + table(OTHER_TABLE, "u", OTHER_ROW) + FINAL_VIEW
    sizes = {name: len((definition + "".join(rows)).replace("\n", "")) for name, definition, rows in (("`t`", TABLE, ROWS), ("`u`", OTHER_TABLE, [OTHER_ROW]))}
    found = dict(reversed(line.split(" ")) for line in read(dump, survey=1, later="/dev/null").splitlines())
    assert {name: int(size) for name, size in found.items()} == sizes, found
    settings = SETTINGS.replace("UNIQUE_CHECKS=0", "UNIQUE_CHECKS=1")
    sequence = SEQUENCE.replace("SEQUENCE", "SEQUENCE IF NOT EXISTS", 1)
    tables = {1: TABLE + "".join(ROWS), 2: OTHER_TABLE + OTHER_ROW}
    with tempfile.TemporaryDirectory() as folder:
        shares, later = Path(folder) / "shares", Path(folder) / "later"
        for of_t, of_u in ((1, 2), (2, 1), (1, 1)):
            shares.write_text(f"{of_t} `t`\n{of_u} `u`\n")
            for connection in (1, 2):
                expected = settings + (tables[1] if of_t == connection else "") + sequence + (tables[2] if of_u == connection else "")
                printed = read(dump, connection=connection, shares=shares, later=later)
                assert printed == expected, printed
                code = "".join(line for line in later.read_text().splitlines(keepends=True) if line != "\n" and not line.startswith("--"))
                assert code == settings + VIEW + TRIGGER + FINAL_VIEW, code


CHECKS = {"a restored dump is shared between connections": shared}
