// Removes from node_modules what the server does not run: packages that only build the admin UI or that nothing here is configured to use, and files that only
// developers read. Arguments: a file for the licence texts of everything that the build had, because the admin UI contains parts of it, and a file for the
// names and versions of the same packages.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const [licences, parts] = process.argv.slice(2);
const ROOT = 'node_modules';
/** What the server starts from. */
const ROOTS = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies).filter((name) => name !== '@medusajs/admin-sdk');
/** Packages that are left out with all that only they need. */
const LEFT_OUT = [
  // of the admin UI, which is built
  /^@medusajs\/(admin-vite-plugin|dashboard|icons|js-sdk|ui)$/, /^@ariakit\//, /^@babel\/(?!runtime)/, /^@dnd-kit\//, /^@hookform\//, /^@radix-ui\//, /^@tanstack\//, /^@uiw\//,
  /^@vitejs\//, /^(autoprefixer|cmdk|date-fns|esbuild|framer-motion|i18next.*|motion.*|postcss.*|prism.*|qrcode|react|react-.*|rollup|tailwindcss.*|vaul|vite)$/,
  // of services that the configuration does not use
  /^@aws-sdk\//, /^@medusajs\/(analytics-posthog|auth-github|auth-google|auth-oidc|file-s3|notification-sendgrid|payment-stripe)$/, /^@sendgrid\//, /^@smithy\//, /^posthog-node$/,
  /^@opentelemetry\/(?!api$)/, /^@grpc\//,
  // of development
  /^@types\//, /^(chokidar|figlet|prettier|ts-node|typescript)$/, /^@swc\/core/,
];
const FILES = /(\.(map|d\.ts|d\.cts|d\.mts|ts|tsx|flow|markdown|md|tsbuildinfo|yml|swcrc)|\/(\.[^/]+|tsconfig[^/]*\.json|Makefile|Gruntfile\.js))$/i;
const FOLDERS = /^(__tests__|__mocks__|__fixtures__|\.github|benchmarks?|coverage|docs?|examples?|tests?|man|oas)$/;
const LICENCE = /^(licen[cs]e|copying|notice)([-.].*)?$/i;

const packageOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The folder of a dependency, as Node finds it. */
function find(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
    if (folder === '.' || folder === '/') return null;
  }
}

/** All package folders. */
function* packages(folder) {
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    if (entry.startsWith('@')) yield* packages(path);
    else if (existsSync(join(path, 'package.json'))) {
      yield path;
      if (existsSync(join(path, 'node_modules'))) yield* packages(join(path, 'node_modules'));
    }
  }
}

function needed() {
  const kept = new Set();
  const open = ROOTS.map((name) => find(name, '.'));
  for (let folder = open.pop(); folder; folder = open.pop()) {
    if (kept.has(folder)) continue;
    kept.add(folder);
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = packageOf(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = LEFT_OUT.some((pattern) => pattern.test(name)) ? null : find(name, folder);
      if (found) open.push(found);
    }
  }
  return kept;
}

function collectLicences(all) {
  const texts = new Map();
  for (const folder of all) {
    const { name, version, license = 'not stated' } = packageOf(folder);
    const file = readdirSync(folder).find((entry) => LICENCE.test(entry) && lstatSync(join(folder, entry)).isFile());
    const text = file ? readFileSync(join(folder, file), 'utf8').trim() : `Licence: ${typeof license === 'string' ? license : JSON.stringify(license)}`;
    const key = createHash('sha256').update(text).digest('hex');
    texts.set(key, { text, names: [...(texts.get(key)?.names ?? []), `${name} ${version}`] });
  }
  writeFileSync(licences, 'Licences of the npm packages in this image, and of those that the admin UI was built from.\n');
  for (const { text, names } of texts.values()) appendFileSync(licences, `\n${'='.repeat(80)}\n${names.join(', ')}\n${'-'.repeat(80)}\n${text}\n`);
}

function tidy(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      // a package may be called like one of these folders
      if (FOLDERS.test(entry.name) && !existsSync(join(path, 'package.json')) && !/node_modules$/.test(folder)) rmSync(path, { recursive: true });
      else tidy(path);
    } else if (FILES.test(path) && !LICENCE.test(entry.name)) rmSync(path);
  }
}

const all = [...packages(ROOT)];
collectLicences(all);
writeFileSync(parts, [...new Set(all.map((folder) => `${packageOf(folder).name} ${packageOf(folder).version} npm\n`))].join(''));
const kept = needed();
const removed = all.filter((folder) => !kept.has(folder));
// what is nested in a removed package and needed by nobody else goes with it
for (const folder of removed) if (![...kept].some((other) => other.startsWith(`${folder}/`))) rmSync(folder, { recursive: true, force: true });
rmSync(join(ROOT, '.bin'), { recursive: true, force: true });
tidy(ROOT);
console.log(`kept ${kept.size} of ${all.length} packages; removed for example ${removed.slice(0, 3).map((folder) => relative(ROOT, folder)).join(', ')}`);
