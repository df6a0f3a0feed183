import { screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { RENDERED } from '../../test/render-app';

test('the first overview decides whether the browser is signed in, and is shown without another request', async () => {
  const answers: (() => void)[] = [];
  const getOverview = vi.fn(async () => {
    await new Promise<void>((resolve) => answers.push(resolve));
    return { caller: { name: 'grace', role: 'viewer', tenant: 'default' } };
  });
  // A page that was just opened: the session of another test is not its own.
  vi.resetModules();
  const { renderApp } = await import('../../test/render-app');
  const { session } = await import('./session');
  renderApp({ signedIn: false, platform: { getOverview } });
  await screen.findByLabelText('Loading', undefined, RENDERED);
  await vi.waitFor(() => expect(answers).toHaveLength(1), RENDERED);
  answers[0]?.();
  // The refetch that follows the watch's connection is not answered.
  await screen.findByText('grace', undefined, RENDERED);
  expect(session.status()).toBe('in');
});
