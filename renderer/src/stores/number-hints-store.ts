/** What a number means at this moment, in a few lines: which symbol, slot and spte it belongs to. */
import type { AddressSpace, AddressWalk, ReverseMap } from '@core/protocol/index.ts';
import { formatAddress, formatGfn, formatHex } from '@core/format/address-text.ts';
import { formatCount, formatPlural } from '@core/format/quantity.ts';
import { spteHeading } from '@core/format/spte-text.ts';
import { defineStore } from 'pinia';
import type { LinkedNumber, SpteFormat } from '../layout/linked-number.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemslotsStore } from './memslots-store.ts';

type Lines = readonly string[];

export const useNumberHintsStore = defineStore('number-hints', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();

  async function symbolOf(address: bigint): Promise<Lines> {
    const vcpu = machine.selectedVcpu;
    const answer = await desktop.call('disassembly.read', { vcpu, address, before: 0, count: 1 });
    const symbol = answer.ok ? answer.value.lines.at(0)?.symbol : undefined;
    return symbol === undefined ? [] : [`symbol ${symbol}`];
  }

  /** @param host whose it is; without one it is of this machine */
  async function spteOf(value: bigint, host: SpteFormat | undefined): Promise<Lines> {
    const { status } = machine;
    if (status === undefined) return [];
    const { era, mmu, maxPhyAddr } = host ?? status;
    const answer = await desktop.call('spte.decode', { value, era, mmu, maxPhyAddr });
    if (!answer.ok) return [];
    const current = host ? -1 : status.moment.mmioGeneration;
    const { gen, notes } = answer.value;
    const age = gen === undefined || current < 0 ? [] : [generationAge(gen, current)];
    const of = host ? [`read as ${era}, ${mmu}, MAXPHYADDR ${maxPhyAddr}`] : [];
    return [spteHeading(answer.value).split('  ').at(1) ?? '', ...of, ...age, ...notes];
  }

  async function frameOf(gfn: number): Promise<Lines> {
    const answer = await desktop.call('rmap.read', { gfn });
    return answer.ok ? frameLines(answer.value.rmap) : [answer.error.message];
  }

  async function walkOf(address: bigint): Promise<Lines> {
    const vcpu = machine.selectedVcpu;
    const answer = await desktop.call('walk.read', { vcpu, space: 'gva', address, access: 'read' });
    return answer.ok ? walkLines(answer.value.walk) : [answer.error.message];
  }

  async function virtualLines(address: bigint): Promise<Lines> {
    const [symbol, walk] = await Promise.all([symbolOf(address), walkOf(address)]);
    return [...symbol, ...walk];
  }

  async function hostLines(address: bigint): Promise<Lines> {
    if (memslots.snapshot === undefined) await memslots.refresh();
    const slot = memslots.snapshot?.slots.find(({ hva, size }) => address >= hva && address < hva + size);
    if (slot === undefined) return ['in no memslot: the guest cannot reach it'];
    return [`slot ${slot.id}, gpa ${formatAddress(slot.gpa + (address - slot.hva))}`];
  }

  function generationLines(generation: number): Lines {
    const { status } = machine;
    if (status === undefined || status.moment.mmioGeneration < 0) return ['this era keeps no generation'];
    const left = status.generationsToWrap;
    return [
      generationAge(generation, status.moment.mmioGeneration),
      ...(left < 0 ? [] : [`${formatPlural(left, 'change')} of memslots to the wrap-around`]),
    ];
  }

  function momentLines(insns: number): Lines {
    const now = machine.status?.moment.insns ?? 0;
    if (insns === now) return ['instructions retired: now'];
    const distance = formatPlural(Math.abs(now - insns), 'instruction');
    return [insns < now ? `${distance} ago` : `in ${distance}`];
  }

  async function portLines(port: bigint): Promise<Lines> {
    const answer = await desktop.call('devices.read', {});
    if (!answer.ok) return [answer.error.message];
    const owner = answer.value.devices.find(({ ranges }) =>
      ranges.some(({ space, first, last }) => space === 'port' && port >= first && port <= last),
    );
    return [owner ? `of the ${owner.name}` : 'no device is there: reads give all ones'];
  }

  const addressLines = (space: AddressSpace, address: bigint): Promise<Lines> => {
    if (space === 'gva') return virtualLines(address);
    return space === 'gpa' ? frameOf(Number(address >> 12n)) : hostLines(address);
  };

  async function describe(number: LinkedNumber): Promise<Lines> {
    switch (number.kind) {
      case 'gva':
      case 'gpa':
      case 'hva':
        return [
          `${number.kind} ${formatAddress(number.address)}`,
          ...(await addressLines(number.kind, number.address)),
        ];
      case 'code':
        return [`code at gva ${formatAddress(number.address)}`, ...(await virtualLines(number.address))];
      case 'gfn':
        return [
          `gfn ${formatGfn(number.gfn)}, gpa ${formatHex(BigInt(number.gfn) << 12n)}`,
          ...(await frameOf(number.gfn)),
        ];
      case 'spte':
        return [`spte ${formatHex(number.value, 16)}`, ...(await spteOf(number.value, number.host))];
      case 'generation':
        return [
          `generation ${formatHex(number.generation)} = ${formatCount(number.generation)}`,
          ...generationLines(number.generation),
        ];
      case 'insns':
        return [`after ${formatPlural(number.insns, 'instruction')}`, ...momentLines(number.insns)];
      case 'port':
        return [`port ${formatHex(number.port)}`, ...(await portLines(BigInt(number.port)))];
      case 'register':
        return [registerLine(number.name, number.value), ...(await virtualLines(number.value))];
      case 'value':
        return [registerLine(number.name ?? 'value', number.value), ...textLines(number.value)];
    }
  }

  return { describe };
});

function registerLine(name: string, value: bigint): string {
  const signed = BigInt.asIntN(64, value);
  return `${name} = ${formatHex(value)} = ${value}${signed < 0n ? ` = ${signed}` : ''}`;
}

/** What it says when its bytes are letters, lowest first, as they lie in memory. */
function textLines(value: bigint): Lines {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  const isText = bytes.length > 0 && bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? [`as text: ${JSON.stringify(String.fromCharCode(...bytes))}`] : [];
}

function generationAge(generation: number, current: number): string {
  if (generation === current) return `fresh: the current generation`;
  return `stale: the current generation is ${formatHex(current)}`;
}

/** The first lines of what a frame is to KVM. */
function frameLines({ slot, gfn, levels, mmioSptes, writeText }: ReverseMap): Lines {
  const mapped = levels.flatMap(({ sptes }) => sptes).length;
  const [mmio] = mmioSptes;
  const mmioText =
    mmio === undefined
      ? []
      : [
          `MMIO spte ${formatHex(mmio.value, 16)}${mmio.gen < 0 ? '' : `, generation ${formatHex(mmio.gen)}: ${generationAge(mmio.gen, mmio.kvmGen)}`}`,
        ];
  if (slot === undefined) return ['in no memslot: accesses are MMIO', ...mmioText];
  const offset = BigInt(gfn - slot.baseGfn) << 12n;
  return [
    `slot ${slot.id}, hva ${formatAddress(slot.hva + offset)}`,
    mapped === 0 ? 'no spte maps it' : `mapped by ${formatPlural(mapped, 'spte')}: ${writeText}`,
    ...mmioText,
  ];
}

function walkLines({ guest, host, end, kvm }: AddressWalk): Lines {
  const gpa = guest?.gpa;
  const leaf = host?.levels.at(-1);
  return [
    gpa === undefined ? `leads to no gpa: ${guest?.rule?.text ?? end.text}` : `gpa ${formatAddress(gpa)}`,
    ...(leaf === undefined ? [] : [`spte ${formatHex(leaf.value, 16)}, level ${leaf.level}, ${leaf.kind}`]),
    ...(gpa !== undefined && kvm ? [kvm.text] : []),
  ];
}
