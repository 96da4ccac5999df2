/** What KVM has made: walks, reverse maps, sptes, the auditor; and what a host asks of it. */
import { err, ok } from '../../base/result.ts';
import { HOST_PAGES } from '../../base/host-pages.ts';
import { ERAS, MMU_MODES, type AccessKind } from '../../base/machine-modes.ts';
import { formatHex, formatU64, parseHex } from '../../format/address-text.ts';
import { auditedText, violationLines } from '../../format/audit-text.ts';
import { parseInteger, parseIntegerIn } from '../../format/integer-text.ts';
import { reverseMapLines } from '../../format/reverse-map-text.ts';
import { isQueryWord, parseSpteQuery, QUERY_HINT, SPTE_QUERY_NAMES, type SpteFilter } from '../../format/spte-query.ts';
import { spteLines } from '../../format/spte-text.ts';
import { walkLines } from '../../format/walk-text.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK } from '../../kvm/spte/access-bits.ts';
import { encodeMmioSpte } from '../../kvm/spte/spte-encode.ts';
import { findSpteEra, unknownEra } from '../../kvm/spte/spte-eras.ts';
import { MAX_ROWS } from '../../protocol/requests.ts';
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
    said(...walkLines(reply.walk, context.columns)),
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

const KINDS = ['mmio', 'leaf', 'large', 'link'] as const;
const STATES = ['write-protected', 'unsync'] as const;
const SORTS = ['gfn', 'value', 'gen', 'level', 'sptep'] as const;
const SHOWN = 20;

const SPTE_WORDS =
  `${KINDS.join(', ')}, present, fresh, stale, ${STATES.join(', ')}, page=N, gfn=N[+N], ` +
  `sort=${SORTS.join('|')}, descending, limit=N, nor one of the inspector's: ${QUERY_HINT}`;

/** What a word decides, in gdb's manner; the others are those of the inspector's filter. */
function spteWord(text: string): SpteFilter | undefined {
  const kind = KINDS.find((each) => each === text);
  const state = STATES.find((each) => each === text);
  if (kind !== undefined) return { kinds: [kind] };
  if (state !== undefined) return { state };
  if (text === 'present') return { kinds: ['leaf', 'large', 'link'] };
  if (text === 'fresh' || text === 'stale') return { freshness: text };
  if (text === 'descending') return { descending: true };
  const [name, value = ''] = text.split('=', 2);
  const sort = name === 'sort' ? SORTS.find((each) => each === value) : undefined;
  if (sort !== undefined) return { sort };
  const page = name === 'page' ? parseIntegerIn(value, 0, 32767) : undefined;
  if (page !== undefined) return { page };
  const range = /^gfn=(0x[0-9a-f]{1,10}|[0-9]{1,12})(?:\+(0x[0-9a-f]{1,10}|[0-9]{1,12}))?$/i.exec(text);
  return range === null ? undefined : { gfnStart: Number(range[1]), gfnLength: Number(range[2] ?? 1) };
}

function sptes({ ask }: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  let limit = SHOWN;
  let filter: SpteFilter = {};
  for (const { text, at } of words) {
    const count = /^limit=(.*)$/.exec(text)?.[1];
    if (count !== undefined) {
      const rows = parseIntegerIn(count, 1, MAX_ROWS);
      if (rows === undefined)
        return misused(`limit=N takes a number from 1 to ${MAX_ROWS}.`, { at, length: text.length });
      limit = rows;
      continue;
    }
    const part = spteWord(text) ?? queryWord(ask, text);
    if (typeof part === 'string') return misused(part, { at, length: text.length });
    const kinds = [...(filter.kinds ?? []), ...(part.kinds ?? [])];
    filter = { ...filter, ...part, ...(kinds.length === 0 ? {} : { kinds }) };
  }
  return answered(ask('sptes.rows', { filter, offset: 0, limit }), ({ rows, total }) =>
    said(
      ...rows.map(rowText),
      `${total} sptes${total > rows.length ? `, of which ${rows.length} are shown (limit=N shows more)` : ''}`,
    ),
  );
}

/** A word of the inspector's filter, or what is wrong with it. */
function queryWord(ask: ConsoleContext['ask'], text: string): SpteFilter | string {
  const slots = /^slot:/i.test(text) ? ask('memslots.read', {}) : undefined;
  const query = parseSpteQuery(text, slots?.ok === true ? slots.value.slots : []);
  if (query.ok) return query.place;
  return isQueryWord(text) ? query.message : `${text} is none of ${SPTE_WORDS}.`;
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

/** The value of an MMIO spte, as a host like the machine's would write it, but for what is said otherwise. */
function encode(context: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  return answered(context.ask('machine.status', {}), (status) => {
    let era = findSpteEra(status.era);
    let { mmu, maxPhyAddr }: Pick<MachineStatus, 'mmu' | 'maxPhyAddr'> = status;
    let gfn: bigint | undefined;
    let gen: number | undefined;
    let access = 0;
    for (const { text, at } of words) {
      const [name, value = ''] = text.split('=', 2);
      const wrong = (): ConsoleOutcome =>
        misused(`${text} is none of gfn=N, gen=N, access=wu, era=E, mmu=M, maxphyaddr=N.`, { at, length: text.length });
      if (name === 'gfn') gfn = parseInteger(value);
      else if (name === 'gen') gen = parseIntegerIn(value, 0, 0xffff_ffff);
      else if (name === 'access' && /^(?:none|w?u?)$/.test(value))
        access = (value.includes('w') ? ACC_WRITE_MASK : 0) | (value.includes('u') ? ACC_USER_MASK : 0);
      else if (name === 'era') era = findSpteEra(value);
      else if (name === 'mmu') {
        const mode = MMU_MODES.find((each) => each === value);
        if (mode === undefined) return wrong();
        mmu = mode;
      } else if (name === 'maxphyaddr') {
        const bits = parseIntegerIn(value, 32, 52);
        if (bits === undefined) return wrong();
        maxPhyAddr = bits;
      } else return wrong();
      if (era === undefined) return misused(`${unknownEra(value)}.`, { at, length: text.length });
    }
    if (era === undefined || gfn === undefined || gen === undefined)
      return misused('say of what: encode gfn=0xfee00 gen=5 access=w era=v3.11.');
    const host = { mmu, maxPhyAddr, l1tfCacheBits: status.l1tfCacheBits, smeBit: undefined };
    const spte = encodeMmioSpte(era, host, { gfn, access, gen });
    return spte.ok ? said(formatU64(spte.value)) : misused(`${spte.error}.`);
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
      ...values.addresses(words.at(-1) ?? '').filter((text) => text !== 'hva:'),
      ...(words.length > 1 ? ['r', 'w', 'x', 'user', 'supervisor'] : []),
    ],
  },
  {
    names: ['rmap'],
    usage: 'GFN…',
    summary: 'guest frames: memslot, hva, every spte that maps them, dirty and write-protect state',
    run: rmap,
    complete: ({ values }, words) => ['gpa:', 'gfn:', ...values.names(words.at(-1) ?? '')],
  },
  {
    names: ['sptes'],
    usage: '[KIND…] [fresh|stale] [FILTER…] [sort=…] [limit=N]',
    summary: 'sptes by kind, generation, frame, slot, bits, as the inspector filters them',
    details: [
      `KIND: ${KINDS.join(', ')}, present, ${STATES.join(', ')}.`,
      `FILTER: ${QUERY_HINT}; gfn=0xe0000+16.`,
      `sort=${SORTS.join('|')}, descending.`,
    ],
    run: sptes,
    complete: () => [
      ...KINDS,
      ...STATES,
      'present',
      'fresh',
      'stale',
      'gfn=',
      'page=',
      ...SPTE_QUERY_NAMES.map((name) => `${name}:`),
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
    names: ['encode'],
    usage: 'gfn=N gen=N [access=wu] [era=E] [mmu=M] [maxphyaddr=N]',
    summary: 'the value that an MMIO spte has in a kernel',
    run: encode,
    complete: () => [
      'gfn=',
      'gen=',
      'access=',
      ...ERAS.map((era) => `era=${era}`),
      ...MMU_MODES.map((mmu) => `mmu=${mmu}`),
      'maxphyaddr=',
    ],
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
