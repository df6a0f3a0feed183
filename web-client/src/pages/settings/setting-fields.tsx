import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TextInput, type TextInputProps } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ComponentType } from 'react';
import { useApi } from '@/api/api';
import { words } from '@/format/words';
import { type EngineVersion, EngineVersionSchema } from '@/gen/storeplane/v1/platform_pb';
import { type Store, StoreEnvironment, type StoreSchema } from '@/gen/storeplane/v1/store_pb';
import { EnvironmentField } from '@/ui/environment-field';
import { PlanField } from '../create/plan-field';
import { VersionField } from '../create/version-field';
import { MAIL_PARTS, readMail, writeMail } from './mail-draft';
import { MailField } from './mail-field';
import { parsePlugins, pluginsText } from './plugins';
import { PluginsField } from './plugins-field';

export interface InputProps {
  label: string;
  /** The store that is edited. */
  store: Store;
  value: string;
  error: string | undefined;
  /** What is wrong with a part of it. */
  errorOf: (part: string) => string | undefined;
  disabled: boolean;
  onChange: (value: string) => void;
}

/** A setting of a store that can be edited. */
export interface Setting {
  /** The name of the field, in update masks and in the preview. */
  field: string;
  label: string;
  /** Its value as the input has it. */
  read: (store: Store) => string;
  /** The part of the request's store for a value of the input. */
  write: (value: string) => MessageInitShape<typeof StoreSchema>;
  /** Its parts, if each has an input. */
  parts?: readonly string[];
  Input: ComponentType<InputProps>;
}

/** What the dialog offers, in this order. A setting needs nothing else than its entry here. */
export const SETTINGS: readonly Setting[] = [
  {
    field: 'display_name',
    label: 'Name',
    read: ({ displayName }) => displayName,
    write: (value) => ({ displayName: value.trim() }),
    Input: (props) => <TextField {...props} data-autofocus />,
  },
  {
    field: 'admin_email',
    label: 'Admin email',
    read: ({ adminEmail }) => adminEmail,
    write: (value) => ({ adminEmail: value.trim() }),
    Input: (props) => <TextField {...props} inputMode="email" />,
  },
  {
    field: 'plan',
    label: 'Plan',
    read: ({ plan }) => plan,
    write: (plan) => ({ plan }),
    Input: PlanInput,
  },
  {
    field: 'engine_version',
    label: 'Version',
    read: ({ engineVersion }) => engineVersion,
    write: (engineVersion) => ({ engineVersion }),
    Input: VersionInput,
  },
  {
    field: 'environment',
    label: 'Environment',
    read: ({ environment }) => StoreEnvironment[environment] ?? '',
    write: (name) => ({ environment: StoreEnvironment[name as keyof typeof StoreEnvironment] }),
    Input: EnvironmentInput,
  },
  {
    field: 'smtp',
    label: 'Mail server',
    read: readMail,
    write: writeMail,
    parts: MAIL_PARTS,
    Input: MailInput,
  },
  {
    field: 'plugins',
    label: 'Plugins',
    read: ({ plugins }) => pluginsText(plugins),
    write: (value) => ({ plugins: parsePlugins(value) }),
    Input: PluginsInput,
  },
];

/** Labels of parts that a preview names. */
const PART_LABELS: Record<string, string> = {
  'smtp.host': 'SMTP host',
  'smtp.port': 'SMTP port',
  'smtp.encryption': 'SMTP encryption',
  'smtp.username': 'SMTP user',
  'smtp.password': 'SMTP password',
  'smtp.from_address': 'Sender address',
  'smtp.from_name': 'Sender',
};

/** The label of a field that changes, also of one that has no input here. */
export function settingLabel(field: string): string {
  return SETTINGS.find((setting) => setting.field === field)?.label ?? PART_LABELS[field] ?? words(field);
}

/** A value as text: environments are names of the API. */
export function settingText(field: string, value: string): string {
  return field === 'environment' ? words(value) : value;
}

function TextField({
  store: _,
  errorOf: __,
  onChange,
  ...input
}: InputProps & Pick<TextInputProps, 'inputMode'> & { 'data-autofocus'?: boolean }) {
  return <TextInput autoComplete="off" {...input} onChange={(event) => onChange(event.currentTarget.value)} />;
}

function useEngine(name: string) {
  const { queries } = useApi();
  return useQuery(queries.engines()).data?.engines.find((engine) => engine.name === name);
}

function PlanInput({ store, label: _, errorOf: __, ...field }: InputProps) {
  return <PlanField engine={useEngine(store.engine)} {...field} />;
}

function VersionInput({ store, label: _, errorOf: __, ...field }: InputProps) {
  const engine = useEngine(store.engine);
  return <VersionField engine={engine && { ...engine, versions: upgradesOf(store, engine.versions) }} {...field} />;
}

/** The version of the store, which may not be offered any more, after the newer ones. Newest first, as `versions`. */
function upgradesOf({ engineVersion, versions: installed }: Store, versions: EngineVersion[]): EngineVersion[] {
  const place = versions.findIndex(({ chartVersion }) => chartVersion === engineVersion);
  if (place >= 0) return versions.slice(0, place + 1);
  return [...versions, create(EngineVersionSchema, { chartVersion: engineVersion, appVersion: installed?.app })];
}

/** Nothing if the store's version has no such setting. */
function MailInput(props: InputProps) {
  const { store } = props;
  const version = useEngine(store.engine)?.versions.find(({ chartVersion }) => chartVersion === store.engineVersion);
  return version?.smtp || store.smtp ? <MailField {...props} /> : null;
}

/** Nothing if there are none to choose. */
function PluginsInput(props: InputProps) {
  const { store } = props;
  const engine = useEngine(store.engine);
  const version = engine?.versions.find(({ chartVersion }) => chartVersion === store.engineVersion);
  const offers = version?.plugins && engine && engine.plugins.length > 0;
  return offers || store.plugins.length > 0 ? <PluginsField engine={engine} {...props} /> : null;
}

function EnvironmentInput({ store: _, label: __, errorOf: ___, value, onChange, ...field }: InputProps) {
  return (
    <EnvironmentField
      value={StoreEnvironment[value as keyof typeof StoreEnvironment]}
      onChange={(environment) => onChange(StoreEnvironment[environment])}
      {...field}
    />
  );
}
