'use strict';
// Prepares the store's database. It can be interrupted at any point and run again: the seed is imported and personalised in one transaction, and the
// table storeplane_state records what was applied. A database that has a shop keeps it.
const { spawn } = require('node:child_process');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { Database } = require('./database');
const { Isolation } = require('./isolation');
const { BootstrapError, say, setting } = require('./report');
const { adoptCopy, isCopy, waitForRestore } = require('./copy');
const { applyLogin, appliedLogin } = require('./login');
const { applySettings } = require('./settings');
const { applyUrl } = require('./url');
const { copyPictures, personalise } = require('./personalise');

const ROOT = path.join(__dirname, '..', '..');
const SEED = process.env.STORE_SEED_FOLDER ?? '/usr/local/share/storeplane/seed';
/** Seconds for another pod's bootstrap to end. */
const LOCK_SECONDS = 600;

async function bootstrap() {
  const isolation = new Isolation();
  const image = readFileSync(path.join(SEED, 'version'), 'utf8').trim();
  if (setting('STORE_SEED') === 'wait') await waitForRestore();
  const db = await Database.connect();
  say('connected to the database');
  await db.lock(LOCK_SECONDS);
  const phase = await db.phase();
  if (phase === 'unknown') throw new BootstrapError('the database has tables but no Medusa: it is left unchanged');
  if (phase === 'foreign') {
    say('the database has a shop that was not made by this image: it is kept');
    await db.transaction(async () => {
      await db.createState();
      await db.remember({ image: 'unknown', uid: setting('STORE_UID'), url: setting('STORE_URL'), ...appliedLogin() });
    });
  }
  if (phase === 'empty') {
    copyPictures(path.join(SEED, 'uploads'), setting('STORE_UPLOADS') || '/srv/uploads');
    const seed = readFileSync(path.join(SEED, 'seed.sql'), 'utf8');
    await db.transaction(async () => {
      await db.script(seed);
      say('seed imported');
      await db.createState();
      await personalise(db, image);
    });
    say('shop personalised');
  }
  if (await isCopy(db)) await adoptCopy(db);
  await applyUrl(db);
  await applyLogin(db);
  await applySettings(db);
  const known = await db.recall('image');
  if (known !== image) {
    say(`updating the database from ${known} to ${image}`);
    await migrate();
    await db.remember({ image });
  }
  await isolation.report();
  say('done');
  await db.end();
}

/** Medusa's migrations. Links and search indexes are changed where nothing is lost by it; anything else needs a person. */
function migrate() {
  const cli = path.join(ROOT, 'node_modules', '@medusajs', 'cli', 'cli.js');
  const child = spawn(process.execPath, [cli, 'db:migrate', '--execute-safe-links', '--execute-safe-search'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => (code === 0 ? resolve() : reject(new BootstrapError(`Medusa's migrations failed (${signal ?? `exit code ${code}`})`))));
  });
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(143));
bootstrap().catch((error) => {
  say(error instanceof BootstrapError ? error.message : `database error: ${error.stack ?? error}`);
  process.exit(1);
});
