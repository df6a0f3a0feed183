import './mantine.css';
import './app.css';
import { createRoot } from 'react-dom/client';
import { createQueryClient } from './api/api';
import { serverTransport } from './api/clients';
import { App, Providers } from './app';
import { createAppRouter } from './router';
import { session } from './session/session';

// Before anything else reads the address: a code must not stay there.
session.takeLink(window.location, window.history);

const queryClient = createQueryClient();
const router = createAppRouter();

// A link that is opened where the page is already open changes only the fragment.
window.addEventListener('hashchange', () => void session.takeLink(window.location, window.history));

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <Providers transport={serverTransport()} queryClient={queryClient}>
      <App router={router} />
    </Providers>,
  );
}
