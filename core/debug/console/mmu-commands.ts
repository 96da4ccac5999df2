/** What KVM has made: walks, reverse maps, sptes, the auditor; and what a host asks of it. */
import { err, ok } from '../../base/result.ts';
import { HOST_PAGES } from '../../base/host-pages.ts';
import { ERAS, MMU_MODES, type AccessKind } from '../../base/machine-modes.ts';
import { formatHex, formatU64, parseHex } from '../../format/address-text.ts';
import { auditedText, violationLines } from '../../format/audit-text.ts';
import { parseIntegerIn } from '../../format/integer-text.ts';
import { reverseMapLines } from '../../format/reverse-map-text.ts';
import { spteLines } from '../../format/spte-text.ts';
import { walkLines } from '../../format/walk-text.ts';
import { MAX_ROWS, type Params } from '../../protocol/requests.ts';
import type { MachineStatus, SpteRow } from '../../protocol/snapshots.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
} from './console-command.ts';

const ACCESSES: Readonly<Record<string, AccessKind>> = {
  r: 'read',
  w: 'write',
  x: 'fetch',
  read: 'read',
  write: 'write',
  fetch: 'fetch',
};

function walk(context: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  let access: AccessKind = 'read';
  let user: boolean | undefined;
  const rest = [...words];
  // Words from the right are how; what is left is where.
  for (let last = rest.at(-1); last !== undefined && rest.length > 1; last = rest.at(-1)) {
    if (Object.hasOwn(ACCESSES, last.text)) access = ACCESSES[last.text];
    else if (last.text === 'user' || last.text === 'supervisor') user = last.text === 'user';
    else break;
    rest.pop();
  }
  const [first] = rest;
  if (first === undefined) return misused('say where: walk 0xfeb00000, walk main w user, walk gpa:0xe0000000.');
  const at = context.values.address(rest.map(({ text }) => text).join(' '), first.at);
  if (!at.ok) return at;
  const { space, address } = at.value;
  if (space === 'hva') return misused('a walk begins at a gva or a gpa.', { at: first.at, length: first.text.length });
  return answered(context.ask('walk.read', { vcpu: context.vcpu, space, address, access, user }), (reply) =>
    said(...walkLines(reply.walk)),
  );
}

const MAX_GFN = 2n ** 40n - 1n;
const MAX_GFNS = 16;

function rmap({ ask, values }: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  if (words.length === 0) return misused('say which frame: rmap 0xfee00, rmap gpa:0xfee00000.');
  if (words.length > MAX_GFNS) return misused(`it takes ${MAX_GFNS} frames at a time.`);
  const lines: string[] = [];
  for (const { text, at } of words) {
    const isGpa = /^gpa\s*:/i.test(text);
    const value = isGpa ? values.address(text, at) : values.evaluate(text.replace(/^gfn:/i, ''), at);
    if (!value.ok) return value;
    const gfn = 'address' in value.value ? value.value.address >> 12n : value.value.value;
    if (gfn > MAX_GFN)
      return misused(`${text} is no guest frame number of up to 40 bits.`, { at, length: text.length });
    const answer = ask('rmap.read', { gfn: Number(gfn) });
    if (!answer.ok) return answered(answer, () => said());
    if (lines.length > 0) lines.push('');
    lines.push(...reverseMapLines(answer.value.rmap));
  }
  return said(...lines);
}

type SpteFilter = Params<'sptes.rows'>['filter'];
const KINDS = ['mmio', 'leaf', 'large', 'link'] as const;
const SORTS = ['gfn', 'value', 'gen', 'level', 'sptep'] as const;
const SHOWN = 20;

function sptes({ ask }: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  let limit = SHOWN;
  const kinds: (typeof KINDS)[number][] = [];
  const filter: { -readonly [K in keyof SpteFilter]: SpteFilter[K] } = {};
  for (const { text, at } of words) {
    const [name, value] = text.split('=', 2);
    const kind = KINDS.find((each) => each === text);
    const sort = name === 'sort' ? SORTS.find((each) => each === value) : undefined;
    const range =
      name === 'gfn'
        ? /^(0x[0-9a-f]{1,10}|[0-9]{1,12})(?:\+(0x[0-9a-f]{1,10}|[0-9]{1,12}))?$/i.exec(value ?? '')
        : null;
    const count = name === 'limit' ? parseIntegerIn(value ?? '', 1, MAX_ROWS) : undefined;
    const page = name === 'page' ? parseIntegerIn(value ?? '', 0, 32767) : undefined;
    if (kind !== undefined) kinds.push(kind);
    else if (text === 'fresh' || text === 'stale') filter.freshness = text;
    else if (text === 'descending') filter.descending = true;
    else if (sort !== undefined) filter.sort = sort;
    else if (count !== undefined) limit = count;
    else if (page !== undefined) filter.page = page;
    else if (range !== null) {
      filter.gfnStart = Number(range[1]);
      filter.gfnLength = Number(range[2] ?? 1);
    } else {
      const known = `${KINDS.join(', ')}, fresh, stale, gfn=N[+N], page=N, sort=${SORTS.join('|')}, descending, limit=N`;
      return misused(`${text} is none of ${known}.`, { at, length: text.length });
    }
  }
  return answered(ask('sptes.rows', { filter: { ...filter, kinds }, offset: 0, limit }), ({ rows, total }) =>
    said(
      ...rows.map(rowText),
      `${total} sptes${total > rows.length ? `, of which ${rows.length} are shown (limit=N shows more)` : ''}`,
    ),
  );
}

function rowText({ sptep, value, level, gfn, kind, gen, stale, access, page }: SpteRow): string {
  const age = gen < 0 ? '' : `, generation ${formatHex(gen)}, ${stale ? 'stale' : 'fresh'}`;
  return `sptep ${formatHex(sptep)}: ${formatU64(value)} level ${level}, ${kind}, gfn ${formatHex(gfn)}, ${access}${age}, in sp ${page}`;
}

/** As of a host like the machine's, but for what is said otherwise. */
function decode(context: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  return answered(context.ask('machine.status', {}), (status) => {
    let { era, mmu, maxPhyAddr }: { era: string; mmu: MachineStatus['mmu']; maxPhyAddr: number } = status;
    const values: bigint[] = [];
    for (const { text, at } of words) {
      const [name, value] = text.split('=', 2);
      const mode = name === 'mmu' ? MMU_MODES.find((each) => each === value) : undefined;
      const bits = name === 'maxphyaddr' ? parseIntegerIn(value ?? '', 32, 52) : undefined;
      const spte = parseHex(text);
      if (name === 'era' && value !== undefined) era = value;
      else if (mode !== undefined) mmu = mode;
      else if (bits !== undefined) maxPhyAddr = bits;
      else if (spte !== undefined && values.length < MAX_GFNS) values.push(spte);
      else
        return misused(`${text} is neither a 64-bit value in hexadecimal nor era=, mmu= or maxphyaddr=.`, {
          at,
          length: text.length,
        });
    }
    if (values.length === 0) return misused('say which value: decode 0xfff00000fee00b4e era=v3.11 mmu=ept.');
    const lines: string[] = [];
    for (const value of values) {
      const decoded = context.ask('spte.decode', { value, era, mmu, maxPhyAddr });
      if (!decoded.ok) return answered(decoded, () => said());
      lines.push(...spteLines(decoded.value));
    }
    return said(...lines);
  });
}

const audit = ({ ask }: ConsoleContext): ConsoleOutcome =>
  answered(ask('audit.run', { limit: 20 }), ({ moment, report }) => {
    const { violations, omitted } = report;
    const own = violations.filter(({ eraBug }) => eraBug === undefined).length;
    return said(
      ...violations.flatMap((violation) => violationLines(moment.insns, violation)),
      ...(omitted === 0 ? [] : [`and ${omitted} more`]),
      `${auditedText(report)}: ${own} violations, ${violations.length - own} findings that are the era's own bugs`,
    );
  });

/** What the host's memory management tells KVM, by the address in user space. */
const notifier = (event: 'age' | 'unmap', summary: string): ConsoleCommand => ({
  names: [event],
  usage: 'HVA [PAGES]',
  summary,
  run({ ask }, { words }) {
    const [at, count] = words;
    const hva = at === undefined ? undefined : parseHex(at.text);
    const pages = count === undefined ? 1 : parseIntegerIn(count.text, 1, 0x6_0000);
    if (hva === undefined || pages === undefined || words.length > 2)
      return misused(`it takes an address of user space and a number of pages: ${event} 0x7f0000000000 16.`);
    return answered(ask('mmu.notify', { event, hva, pages }), (reply) =>
      said(event === 'age' ? `${reply.count} of ${pages} pages were used` : `${reply.count} sptes dropped`),
    );
  },
});

export const MMU_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['walk', 'w'],
    usage: 'ADDRESS [r|w|x] [user|supervisor]',
    summary: 'one address through the guest’s page tables and the hardware’s, and what the access comes to',
    run: walk,
    complete: ({ values }, words) => [
      ...values.names((words.at(-1) ?? '').split(':').at(-1) ?? ''),
      ...(words.length > 1 ? ['r', 'w', 'x', 'user', 'supervisor'] : []),
    ],
  },
  {
    names: ['rmap'],
    usage: 'GFN…',
    summary: 'guest frames: memslot, hva, every spte that maps them, dirty and write-protect state',
    run: rmap,
  },
  {
    names: ['sptes'],
    usage: '[KIND…] [fresh|stale] [gfn=N[+N]] [page=N] [sort=…] [limit=N]',
    summary: 'sptes by kind, generation and frame',
    run: sptes,
    complete: () => [
      ...KINDS,
      'fresh',
      'stale',
      'gfn=',
      'page=',
      'limit=',
      'descending',
      ...SORTS.map((sort) => `sort=${sort}`),
    ],
  },
  {
    names: ['decode', 'spte'],
    usage: 'VALUE… [era=E] [mmu=M] [maxphyaddr=N]',
    summary: 'an spte field by field, as the machine’s era reads it, or another',
    run: decode,
    complete: () => [...ERAS.map((era) => `era=${era}`), ...MMU_MODES.map((mmu) => `mmu=${mmu}`), 'maxphyaddr='],
  },
  {
    names: ['audit'],
    usage: '',
    summary: 'the auditor’s rules over the MMU as it stands',
    run: (context, { words }) => (words.length === 0 ? audit(context) : misused('it takes no arguments.')),
  },
  {
    names: ['mmu-pages', 'quota'],
    usage: '[N]',
    summary: 'shadow pages in use and allowed; N is KVM_SET_NR_MMU_PAGES',
    run({ ask }, { text, words }) {
      const pages = words.length === 0 ? undefined : parseIntegerIn(text, 0, 0xffff_ffff);
      if (words.length > 0 && pages === undefined)
        return misused('it takes a number of pages.', { at: words[0].at, length: text.length });
      const answer = pages === undefined ? ask('stats.read', {}) : ask('mmu.setQuota', { pages });
      return answered(answer, ({ usedMmuPages, maxMmuPages }) =>
        said(`${usedMmuPages} of ${maxMmuPages} shadow pages are in use`),
      );
    },
  },
  {
    names: ['shrink'],
    usage: '[CALLS]',
    summary: 'the host is short of memory: mmu_shrink asks the VM for pages back',
    run({ ask }, { text, words }) {
      const calls = words.length === 0 ? 1 : parseIntegerIn(text, 1, 32768);
      if (calls === undefined)
        return misused('it takes a number of calls from 1 to 32768.', { at: words[0].at, length: text.length });
      return answered(ask('mmu.shrink', { calls }), ({ freed }) => said(`${freed} shadow pages given back`));
    },
  },
  notifier('age', 'which pages of user space were used since last asked: kvm_age_hva'),
  notifier('unmap', 'the host takes pages of user space away for a while: kvm_unmap_hva_range'),
  {
    names: ['machine', 'options'],
    usage: '',
    summary: 'what the machine was made of',
    run: ({ ask }) =>
      answered(ask('machine.status', {}), (status) => {
        if (status.state === 'empty')
          return err({ errno: 'ENODEV', message: 'there is no machine yet: load an image first.' });
        const { image, mmu, era, maxPhyAddr, l1tfCacheBits, hostPages, eptAd, threads, ramBytes, vcpus } = status;
        return ok({
          lines: [
            `${image ?? 'no image'}: ${mmu}, era ${era}, MAXPHYADDR ${maxPhyAddr}${l1tfCacheBits === undefined ? '' : `, L1TF cache bits ${l1tfCacheBits}`}`,
            `${ramBytes / 1024 / 1024} MiB of ${hostPages} host pages (${HOST_PAGES.join(', ')}), EPT A/D ${eptAd ? 'on' : 'off'}, ` +
              `${vcpus.length} vCPUs ${threads ? 'on threads of their own' : 'in turns'}`,
          ],
        });
      }),
  },
];
