export { RolloutPage } from './rollout-page';
export { RolloutsPage } from './rollouts-page';
