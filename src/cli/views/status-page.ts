/** `lbctl status`: the node at a glance. */
import type { ControllerView, DeviceView, StatusView, WatchView } from '../../api/types.ts';
import { formatBytes, formatCount, formatSeconds, formatShare, plural } from '../humanize.ts';
import type { Frame } from '../present.ts';
import { type Cell, renderFields } from '../table.ts';

export function renderStatus(status: StatusView, frame: Frame<StatusView>): string {
  const isWorker = status.role === 'node';
  const devices = status.devices.map((device, index): [string, Cell] => [
    index === 0 ? 'Devices' : '',
    deviceCell(device),
  ]);
  const watches = (status.source.watches ?? []).map((watch): [string, Cell] => [
    '',
    watchCell(watch, frame.now),
  ]);
  return renderFields(
    [
      ['Node', status.node || '-'],
      ['Agent', agentCell(status, frame.now)],
      ['Health', { text: status.health, style: status.health === 'ok' ? 'good' : 'bad' }],
      ['Role', isWorker ? 'node' : undefined],
      ['Announced', isWorker ? undefined : announcedCell(status.vip)],
      ['VIP device', isWorker ? undefined : vipText(status.vip)],
      ...(devices.length === 0 ? [['Devices', '-'] as [string, Cell]] : devices),
      ['Source', status.agent === 'running' ? sourceCell(status.source, frame.now) : undefined],
      ...watches,
      ['Controller', status.controller && controllerCell(status.controller)],
      ['Services', `${plural(status.services, 'service')}, ${plural(status.backends, 'backend')}`],
      ['Flows', `${formatCount(status.activeFlows)} active`],
      ['SNAT', isWorker ? undefined : snatCell(status.snat)],
      ['Remembered', rememberedCell(status)],
      ['Maps', `${formatBytes(status.memory.mapsBytes)}, layout ${status.layoutVersion}`],
      ['Hash seed', isWorker ? undefined : status.hashSeedFingerprint || '-'],
      ['Problems', status.agent === 'running' ? problemsCell(status) : undefined],
    ],
    frame,
  );
}

function agentCell(status: StatusView, now: number): Cell {
  if (status.agent !== 'running') return { text: status.agent, style: 'bad' };
  const parts: string[] = [status.agent, `version ${status.version}`];
  if (status.pid !== undefined) parts.push(`pid ${status.pid}`);
  if (status.startedAt !== undefined) parts.push(`for ${age(status.startedAt, now)}`);
  return { text: parts.join(', '), style: 'good' };
}

function announcedCell({ announce }: StatusView['vip']): Cell {
  return {
    text: announce,
    style: announce === 'yes' ? 'good' : announce === 'unknown' ? 'attention' : 'bad',
  };
}

function vipText(vip: StatusView['vip']): string {
  if (vip.device === '') return '-';
  const addresses = vip.addresses.length === 0 ? 'no addresses' : vip.addresses.join(', ');
  return `${vip.device} ${vip.up ? 'up' : 'down'}, ${addresses}`;
}

function deviceCell(device: DeviceView): Cell {
  const program = device.programId === null ? '' : `, program ${device.programId}`;
  const text = `${device.name} ${device.mode} ${device.attached ? 'attached' : 'not attached'}${program}`;
  return { text, style: device.attached ? 'plain' : 'bad' };
}

function sourceCell(source: StatusView['source'], now: number): Cell {
  const parts = [
    `${source.kind} ${source.kind === 'manifests' ? 'in' : 'by'} ${source.location}`,
    source.synced ? 'synced' : 'not synced yet',
    plural(source.objects, 'object'),
  ];
  if (source.lastChangeAt !== undefined) parts.push(`last change ${age(source.lastChangeAt, now)} ago`);
  return { text: parts.join(', '), style: source.synced ? 'plain' : 'attention' };
}

function watchCell(watch: WatchView, now: number): Cell {
  const parts = [
    `${watch.kind}s ${watch.connected ? 'watched' : watch.synced ? 'not watched now' : 'not listed yet'}`,
  ];
  if (watch.lastHeardAt !== undefined) parts.push(`heard ${age(watch.lastHeardAt, now)} ago`);
  parts.push(plural(watch.relists, 'relist'), plural(watch.errors, 'error'));
  return { text: parts.join(', '), style: watch.connected ? 'plain' : 'attention' };
}

function controllerCell({ leads, leader, pools, waiting }: ControllerView): Cell {
  if (!leads) {
    return leader === '' ? { text: 'no leader known', style: 'attention' } : `led by ${leader}`;
  }
  const uses = (pools ?? []).map(({ name, family, size, used }) => {
    return `${name} IPv${family} ${formatCount(used)} of ${formatCount(size)} used`;
  });
  const parts = ['leading', ...uses, `${plural(waiting ?? 0, 'service')} waiting`];
  return { text: parts.join(', '), style: waiting === 0 ? 'plain' : 'attention' };
}

function snatCell(snat: StatusView['snat']): Cell {
  const share = snat.records === 0 ? 0 : snat.used / snat.records;
  const used = `${formatCount(snat.used)} of ${formatCount(snat.records)} records used (${formatShare(share)})`;
  const text = `${snat.addresses.join(', ') || '-'}, ports ${snat.ports || '-'}, ${used}`;
  return { text, style: share > 0.9 ? 'bad' : share > 0.7 ? 'attention' : 'plain' };
}

function rememberedCell({ remembered }: StatusView): Cell | undefined {
  if (remembered === undefined) return undefined;
  const { room, used } = remembered;
  const share = used / room;
  const text = `${formatCount(used)} of ${formatCount(room)} places for flows used (${formatShare(share)})`;
  return { text, style: share > 0.9 ? 'bad' : share > 0.7 ? 'attention' : 'plain' };
}

function problemsCell(status: StatusView): Cell {
  const errors = status.problems.filter((problem) => problem.severity === 'error').length;
  const warnings = status.problems.length - errors;
  if (status.problems.length === 0) return { text: 'none', style: 'good' };
  const text = `${plural(errors, 'error')}, ${plural(warnings, 'warning')}: see lbctl problems`;
  return { text, style: errors > 0 ? 'bad' : 'attention' };
}

/** How long ago, or the text itself if it is no time. */
function age(time: string, now: number): string {
  const since = Date.parse(time);
  return Number.isNaN(since) ? time : formatSeconds((now - since) / 1000);
}
