import { AppShell, Burger, Button, Group, NavLink, Stack } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconActivity,
  IconArchive,
  IconBuildingStore,
  IconKey,
  IconLayoutDashboard,
  IconPackages,
  IconPlus,
  IconStairsUp,
  IconUsersGroup,
} from '@tabler/icons-react';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect } from 'react';
import { loadAdministration } from '@/pages/administration/lazy-administration';
import { loadBackups } from '@/pages/backups/lazy-backups';
import { loadRollouts } from '@/pages/rollouts/lazy-rollouts';
import { loadSettings } from '@/pages/settings/lazy-settings';
import { useCanEdit, useIsAdmin, useIsPlatformAdmin } from '@/session/caller';
import { Logo } from '@/ui/logo';
import { useChunk } from '@/ui/use-chunk';
import { Account } from './account';
import { ConnectionBanner } from './connection-banner';
import { Dependencies } from './dependencies';
import { Keyboard } from './keyboard';
import { ReloadNotice } from './reload-notice';

const PAGES = [
  { to: '/', label: 'Overview', icon: IconLayoutDashboard, audience: 'everyone' },
  { to: '/stores', label: 'Stores', icon: IconBuildingStore, audience: 'everyone' },
  { to: '/backups', label: 'Backups', icon: IconArchive, audience: 'everyone' },
  { to: '/rollouts', label: 'Rollouts', icon: IconStairsUp, audience: 'everyone' },
  { to: '/activity', label: 'Activity', icon: IconActivity, audience: 'everyone' },
  { to: '/releases', label: 'Releases', icon: IconPackages, audience: 'editors' },
  { to: '/tokens', label: 'Tokens', icon: IconKey, audience: 'admins' },
  { to: '/tenants', label: 'Tenants', icon: IconUsersGroup, audience: 'platformAdmins' },
] as const;

/** The frame of every page. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const canEdit = useCanEdit();
  const isIn = { everyone: true, editors: canEdit, admins: useIsAdmin(), platformAdmins: useIsPlatformAdmin() };
  useChunk(loadBackups);
  useChunk(loadAdministration);
  useChunk(loadSettings);
  useChunk(loadRollouts);
  // biome-ignore lint/correctness/useExhaustiveDependencies: closes the menu after navigation
  useEffect(close, [pathname]);
  return (
    <AppShell
      header={{ height: { base: 56, sm: 0 } }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={{ base: 'md', md: 'xl' }}
    >
      <a className="skip" href="#main">
        Skip to content
      </a>
      <AppShell.Header hiddenFrom="sm" px="md">
        <Group h="100%" justify="space-between">
          <Logo />
          <Burger opened={opened} onClick={toggle} size="sm" aria-label="Menu" aria-expanded={opened} />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="md" aria-label="Main">
        <Stack h="100%" justify="space-between">
          <Stack gap="xs">
            <Group visibleFrom="sm" pb="md">
              <Logo />
            </Group>
            {PAGES.filter(({ audience }) => isIn[audience]).map(({ to, label, icon: Icon }) => (
              <NavLink
                key={to}
                component={Link}
                to={to}
                label={label}
                leftSection={<Icon size={18} aria-hidden />}
                active={to === '/' ? pathname === '/' : pathname.startsWith(to)}
                variant="light"
              />
            ))}
            {canEdit && (
              <Button component={Link} to="/create" leftSection={<IconPlus size={16} aria-hidden />} mt="md">
                New store
              </Button>
            )}
          </Stack>
          <Account />
        </Stack>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Dependencies />
        <Outlet />
      </AppShell.Main>
      <ConnectionBanner />
      <ReloadNotice />
      <Keyboard />
    </AppShell>
  );
}
