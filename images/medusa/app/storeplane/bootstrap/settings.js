'use strict';
// Values of the chart that the shop follows while its owner may change them in the administration, too. storeplane_state remembers what was last asked
// for; only another wish than that is applied, so an unrelated update never overwrites the owner's choice.
const { say, setting } = require('./report');

/** Name and address as they are asked for. */
function wantedSettings() {
  return { name: setting('STORE_NAME') || setting('STORE_ID'), email: setting('STORE_ADMIN_EMAIL') };
}

async function applySettings(db) {
  const known = { name: await db.recall('name'), email: await db.recall('email') };
  const wanted = wantedSettings();
  if (known.name === wanted.name && known.email === wanted.email) return;
  await db.transaction(async () => {
    // null: the database was made by something else; the shop has the name that its owner sees
    if (known.name !== null && known.name !== wanted.name) {
      await db.query('UPDATE store SET name = $1, updated_at = now() WHERE deleted_at IS NULL', [wanted.name]);
      say('the name of the shop is set');
    }
    if (known.email !== null && known.email !== wanted.email) {
      await moveAdministrator(db, known.email, wanted.email);
      say("the administrator's e-mail address is set");
    }
    await db.remember(wanted);
  });
}

/** The first administrator's own address, if it is still the one that was asked for and nobody else has the new one. */
async function moveAdministrator(db, known, wanted) {
  await db.query(
    `UPDATE "user" SET email = $2, updated_at = now()
     WHERE email = $1 AND id = (SELECT value FROM storeplane_state WHERE name = 'admin_id') AND NOT EXISTS (SELECT 1 FROM "user" WHERE email = $2 AND deleted_at IS NULL)`,
    [known, wanted],
  );
}

module.exports = { applySettings, wantedSettings };
