/** A memslot as it stands in the form: text until it parses. */
import type { MemslotSnapshot, MemslotsSnapshot, UserMemoryRegion } from '@core/protocol/index.ts';
import { formatHex, parseHex, parseSize } from '@core/format/address-text.ts';

export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;

export interface RegionDraft {
  readonly slot: string;
  readonly gpa: string;
  readonly size: string;
  readonly hva: string;
  readonly logDirtyPages: boolean;
  readonly readonly: boolean;
}

export type DraftField = 'slot' | 'gpa' | 'size' | 'hva';

export type EditorField = DraftField | 'log-dirty' | 'readonly';

/** The field of the editor that each check of KVM_SET_USER_MEMORY_REGION looks at (core/kvm/memslots/memslot-checks.ts). */
const FIELD_OF_CHECK: Readonly<Record<string, EditorField>> = {
  'slot-out-of-range': 'slot',
  'size-unaligned': 'size',
  'gpa-unaligned': 'gpa',
  'hva-unaligned': 'hva',
  'hva-not-user': 'hva',
  'address-space': 'slot',
  'gpa-wraps': 'gpa',
  'too-many-pages': 'size',
  'hva-changed': 'hva',
  'size-changed': 'size',
  'readonly-toggled': 'readonly',
  'delete-empty': 'slot',
  overlap: 'gpa',
  'beyond-max-gfn': 'gpa',
  'out-of-memory': 'size',
  'no-dirty-bitmap': 'log-dirty',
};

/** @returns undefined for a check that no field can be blamed for: `vm-bugged` */
export const fieldOfCheck = (check: string): EditorField | undefined => FIELD_OF_CHECK[check];

export type ParsedDraft =
  | { readonly kind: 'region'; readonly region: UserMemoryRegion }
  | { readonly kind: 'mistakes'; readonly mistakes: Readonly<Partial<Record<DraftField, string>>> };

const MAX_SLOT = 0xffff_ffff;

function parseSlot(text: string): number | undefined {
  if (!/^\d+$/.test(text.trim())) return undefined;
  const slot = Number(text);
  return slot <= MAX_SLOT ? slot : undefined;
}

const flagsOf = ({ logDirtyPages, readonly }: Pick<RegionDraft, 'logDirtyPages' | 'readonly'>): number =>
  (logDirtyPages ? KVM_MEM_LOG_DIRTY_PAGES : 0) | (readonly ? KVM_MEM_READONLY : 0);

export function parseDraft(draft: RegionDraft): ParsedDraft {
  const slot = parseSlot(draft.slot);
  const gpa = parseHex(draft.gpa);
  const size = parseSize(draft.size);
  const hva = parseHex(draft.hva);
  if (slot !== undefined && gpa !== undefined && size !== undefined && hva !== undefined) {
    const region = { slot, flags: flagsOf(draft), guestPhysAddr: gpa, memorySize: size, userspaceAddr: hva };
    return { kind: 'region', region };
  }
  return {
    kind: 'mistakes',
    mistakes: {
      ...(slot === undefined ? { slot: 'a decimal number' } : {}),
      ...(gpa === undefined ? { gpa: 'a hexadecimal address' } : {}),
      ...(size === undefined ? { size: 'a size such as 4K, 16M or 0x1000' } : {}),
      ...(hva === undefined ? { hva: 'a hexadecimal address' } : {}),
    },
  };
}

const sizeText = (size: bigint): string => {
  if (size > 0n && size % (1n << 20n) === 0n) return `${size >> 20n}M`;
  if (size > 0n && size % (1n << 10n) === 0n) return `${size >> 10n}K`;
  return formatHex(size);
};

export const draftOfSlot = (slot: MemslotSnapshot): RegionDraft => ({
  slot: slot.id.toString(),
  gpa: formatHex(slot.gpa),
  size: sizeText(slot.size),
  hva: formatHex(slot.hva),
  logDirtyPages: slot.logDirtyPages,
  readonly: slot.readonly,
});

export const regionOfSlot = ({ id, gpa, size, hva, logDirtyPages, readonly }: MemslotSnapshot): UserMemoryRegion => ({
  slot: id,
  flags: flagsOf({ logDirtyPages, readonly }),
  guestPhysAddr: gpa,
  memorySize: size,
  userspaceAddr: hva,
});

export const draftOfRegion = ({
  slot,
  flags,
  guestPhysAddr,
  memorySize,
  userspaceAddr,
}: UserMemoryRegion): RegionDraft => ({
  slot: slot.toString(),
  gpa: formatHex(guestPhysAddr),
  size: memorySize === 0n ? '0' : sizeText(memorySize),
  hva: formatHex(userspaceAddr),
  logDirtyPages: (flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0,
  readonly: (flags & KVM_MEM_READONLY) !== 0,
});

/** The region that deletes a slot: size 0. */
export const deletionOf = (slot: MemslotSnapshot): RegionDraft => ({ ...draftOfSlot(slot), size: '0' });

/** @param promised numbers that are as good as taken */
export function freeSlotId({ slots, userSlots }: MemslotsSnapshot, promised: readonly number[] = []): number {
  const taken = new Set([...slots.map(({ id }) => id), ...promised]);
  for (let id = 0; id < userSlots; id += 1) if (!taken.has(id)) return id;
  return userSlots;
}

/** The first stretch of host memory that no slot maps; its beginning when all of it is mapped (slots may share bytes). */
export function freeHva({ slots, hvaBase, hvaBytes }: MemslotsSnapshot, size: bigint): bigint {
  let candidate = hvaBase;
  for (const slot of slots.toSorted((a, b) => (a.hva < b.hva ? -1 : 1))) {
    if (slot.hva >= candidate + size) break;
    const end = slot.hva + slot.size;
    if (end > candidate) candidate = end;
  }
  return candidate + size <= hvaBase + hvaBytes ? candidate : hvaBase;
}

/** A new slot of `size` bytes over `gpa`. */
export function draftOver(
  snapshot: MemslotsSnapshot,
  gpa: bigint,
  size = 0x1000n,
  promised: readonly number[] = [],
): RegionDraft {
  const start = gpa - (gpa % 0x1000n);
  return {
    slot: freeSlotId(snapshot, promised).toString(),
    gpa: formatHex(start),
    size: sizeText(size),
    hva: formatHex(freeHva(snapshot, size)),
    logDirtyPages: false,
    readonly: false,
  };
}
