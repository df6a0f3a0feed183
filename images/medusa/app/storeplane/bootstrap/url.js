'use strict';
// The shop's URL is stored where Medusa keeps addresses of uploads, in text and in JSON.
const { say, setting } = require('./report');

const TEXT_TYPES = ['text', 'character varying', 'jsonb'];
/** What makes a URL another one if it follows the host name: a longer host name, or a port. */
const OTHER_HOST = '[A-Za-z0-9_-]|\\.[A-Za-z0-9]|:[0-9]';

/** The URL follows the chart's values, everywhere in the tables and in one transaction. */
async function applyUrl(db) {
  const wanted = setting('STORE_URL');
  const known = await db.recall('url');
  if (known === wanted) return;
  await db.transaction(async () => {
    if (known) {
      say(`replacing ${known} by ${wanted}`);
      await replaceUrl(db, known, wanted);
    }
    await db.remember({ url: wanted });
  });
}

/** Other URLs that begin with the same text stay: https://example.com.au for https://example.com. */
async function replaceUrl(db, from, to) {
  const expression = `${from.replace(/\W/g, '\\$&')}(?!${OTHER_HOST})`;
  const columns = await db.query(
    `SELECT c.table_name AS table, array_agg(c.column_name::text) AS texts, array_agg(c.data_type::text) AS types
     FROM information_schema.columns c JOIN pg_tables t ON t.schemaname = c.table_schema AND t.tablename = c.table_name
     WHERE c.table_schema = 'public' AND c.data_type = ANY($1) AND c.is_generated = 'NEVER' AND c.table_name <> 'storeplane_state' GROUP BY 1`,
    [TEXT_TYPES],
  );
  const name = (text) => `"${text.replaceAll('"', '""')}"`;
  for (const { table, texts, types } of columns) {
    const all = texts.map((text) => name(text));
    const changes = all.map((column, at) => `${column} = regexp_replace(${column}::text, $2, $3, 'g')${types[at] === 'jsonb' ? '::jsonb' : ''}`);
    const found = all.map((column) => `strpos(${column}::text, $1) > 0`);
    await db.query(`UPDATE ${name(table)} SET ${changes.join(', ')} WHERE ${found.join(' OR ')}`, [from, expression, to.replaceAll('\\', '\\\\')]);
  }
}

module.exports = { applyUrl, replaceUrl };
