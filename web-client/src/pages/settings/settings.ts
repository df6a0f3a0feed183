export { EditStore } from './edit-store';
export { RevisionsPanel } from './revisions-panel';
