// Builds the admin UI into public/admin. `medusa build` would need TypeScript and a database; this is the part of it that builds the UI.
import { build } from '@medusajs/admin-bundler';

await build({ path: '/app', backendUrl: '/', storefrontUrl: '/', outDir: 'public/admin', sources: [], plugins: [], disable: false });
