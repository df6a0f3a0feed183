export { BackupsPage } from './backups-page';
export { BackupsPanel } from './backups-panel';
export { SourceFact } from './source-fact';
export { UndeleteStore } from './undelete-store';
