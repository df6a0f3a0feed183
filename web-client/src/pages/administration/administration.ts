export { ReleasesPage } from '../releases/releases-page';
export { TenantsPage } from '../tenants/tenants-page';
export { TokensPage } from '../tokens/tokens-page';
