/** What the hardware does at the end of a walk: the TLB is filled, the guest faults, or it is left. Pure. */
import type { WalkEnd } from '../../base/address-walk.ts';
import { UmbraBug } from '../../base/assert.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import type { GuestWalkProbe, SecondLevelFault, SecondLevelProbe } from '../../x86/index.ts';

export interface HardwareEnd {
  readonly end: WalkEnd;
  /** There when KVM gets the exit: at which gpa (under the shadow MMU, gva), for which access, and with what in the tables. */
  readonly exit:
    | {
        readonly gpa: bigint;
        readonly access: AccessKind;
        readonly reserved: boolean;
        readonly probe: SecondLevelProbe;
      }
    | undefined;
}

const PFERR_RSVD = 8;
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

const inGuest = (end: Omit<WalkEnd, 'gpa'>): HardwareEnd => ({ end: { ...end, gpa: undefined }, exit: undefined });

/**
 * @param guest the processor's own walk of the guest's tables; undefined when it makes none (from a gpa, under the shadow MMU)
 * @param host the walk of the second level at `address`; undefined when the guest's tables lead nowhere
 */
export function describeHardwareEnd(
  guest: GuestWalkProbe | undefined,
  host: SecondLevelProbe | undefined,
  { access }: { readonly access: AccessKind },
  address: bigint | undefined,
): HardwareEnd {
  const fault = guest?.fault;
  if (fault?.table !== undefined) {
    const { gpa, probe } = fault.table;
    return leaving(probe, gpa, tableAccess(probe), 'on the way to a guest table');
  }
  if (fault?.errorCode !== undefined) {
    const code = BigInt(fault.errorCode);
    const text = `the guest gets #PF with error code ${hex(code)}, without an exit: ${fault.reason}`;
    return inGuest({ kind: 'guest-page-fault', code, text, source: fault.source });
  }
  if (fault !== undefined) {
    const text = `the guest gets #GP(0) (#SS(0) for a stack access): the address is ${fault.reason}`;
    return inGuest({ kind: 'general-protection', code: 0n, text, source: fault.source });
  }
  if (host === undefined || address === undefined) {
    const text = 'the guest has no translation for the address';
    return inGuest({ kind: 'guest-page-fault', code: undefined, text, source: '' });
  }
  if (host.fault !== undefined) return leaving(host, address, access, 'for the access itself');
  const size = host.pageSize === 0x1000 ? '4 KiB' : host.pageSize === 0x20_0000 ? '2 MiB' : '1 GiB';
  const text = `the access reaches host memory at hpa ${hex(host.hpa ?? 0)}; the TLB is filled from a ${size} leaf`;
  return inGuest({
    kind: 'tlb-fill',
    code: undefined,
    text,
    source: 'SDM vol 3A, "Translation Lookaside Buffers (TLBs)"',
  });
}

/** The kind of access that KVM reads out of an exit on a guest table. */
const tableAccess = ({ kind, fault }: SecondLevelProbe): AccessKind =>
  kind === 'npt' || ((fault?.code ?? 0) & 2) !== 0 ? 'write' : 'read';

function leaving(probe: SecondLevelProbe, gpa: bigint, access: AccessKind, where: string): HardwareEnd {
  const { fault } = probe;
  if (fault === undefined) throw new UmbraBug('a walk without a fault leaves no guest');
  const { kind, ...end } = exitEnd(probe, fault, gpa, where);
  if (kind === 'outside-host-memory') return inGuest({ kind, ...end });
  const reserved = kind === 'ept-misconfiguration' || (fault.kind === 'page-fault' && (fault.code & PFERR_RSVD) !== 0);
  return { end: { kind, ...end, gpa }, exit: { gpa, access, reserved, probe } };
}

function exitEnd(probe: SecondLevelProbe, fault: SecondLevelFault, gpa: bigint, where: string): Omit<WalkEnd, 'gpa'> {
  const code = (BigInt(fault.codeHigh) << 32n) | BigInt(fault.code);
  const { reason, source } = fault;
  switch (fault.kind) {
    case 'violation': {
      const text = `EPT violation (exit 48) ${where} at gpa ${hex(gpa)}, qualification ${hex(code)}: ${reason}`;
      return { kind: 'ept-violation', code, text, source };
    }
    case 'misconfiguration': {
      const text = `EPT misconfiguration (exit 49) ${where} at gpa ${hex(gpa)}: ${reason}`;
      return { kind: 'ept-misconfiguration', code: undefined, text, source };
    }
    case 'page-fault': {
      if (probe.kind === 'npt') {
        const text = `#NPF (exit 0x400) ${where} at gpa ${hex(gpa)}, error code ${hex(code)}: ${reason}`;
        return { kind: 'nested-page-fault', code, text, source };
      }
      const text = `#PF with error code ${hex(code)} from the shadow page table, which KVM intercepts (exit 0): ${reason}`;
      return { kind: 'shadow-page-fault', code, text, source };
    }
    case 'outside-host-memory':
      return { kind: 'outside-host-memory', code: undefined, text: reason, source };
  }
}
