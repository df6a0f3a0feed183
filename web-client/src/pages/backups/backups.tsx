export { BackupsPage } from './backups-page';
export { BackupsPanel } from './backups-panel';
