/** One address through both trees: the guest's page tables and the tables that the hardware walks below them. */
import type { AddressWalk, Moment, Params, RequestError, ReverseMap } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { gpaOfFocus } from './focus-store.ts';
import { useMachineStore } from './machine-store.ts';
import { panelOf } from './panels-store.ts';

export type WalkSpace = Params<'walk.read'>['space'];
export type WalkAccess = Params<'walk.read'>['access'];
/** What rmap.read takes. */
const MAX_GFN = 1n << 40n;

/** Whose access: the vCPU's present privilege unless somebody chose. */
export type WalkPrivilege = 'current' | 'supervisor' | 'user';

function setup(panel: string) {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const { isLocked, focus } = panelOf(panel);
  const requests = latestRequest();
  const space = ref<WalkSpace>('gva');
  const address = shallowRef<bigint>();
  const access = ref<WalkAccess>('read');
  const privilege = ref<WalkPrivilege>('current');
  const walk = shallowRef<AddressWalk>();
  /** Everything that maps the frame, of a gpa. */
  const rmap = shallowRef<ReverseMap>();
  /** Why a gpa has no walk of its own, where the tables are looked up by linear addresses. */
  const noWalk = ref<string>();
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();

  async function refresh(): Promise<void> {
    const at = address.value ?? machine.rip;
    if (at === undefined) return;
    const isPhysical = space.value === 'gpa';
    const answers = await requests.run(() =>
      Promise.all([
        desktop.call('walk.read', {
          vcpu: machine.selectedVcpu,
          space: space.value,
          address: at,
          access: access.value,
          ...(privilege.value === 'current' ? {} : { user: privilege.value === 'user' }),
        }),
        isPhysical && at >> 12n < MAX_GFN ? desktop.call('rmap.read', { gfn: Number(at >> 12n) }) : undefined,
      ]),
    );
    if (answers === undefined) return;
    const [walked, mapped] = answers;
    const current = walked.ok ? walked.value.moment : mapped?.ok ? mapped.value.moment : undefined;
    if (current !== undefined && !machine.admit(current)) return;
    moment.value = current;
    walk.value = walked.ok ? walked.value.walk : undefined;
    rmap.value = mapped?.ok ? mapped.value.rmap : undefined;
    // A frame that cannot be walked to can still be asked who maps it.
    noWalk.value = !walked.ok && mapped?.ok ? walked.error.message : undefined;
    error.value = walked.ok || mapped?.ok ? undefined : walked.error;
  }

  async function show(nextSpace: WalkSpace, next: bigint): Promise<void> {
    space.value = nextSpace;
    address.value = next;
    await refresh();
  }

  watch(focus, (next) => {
    if (isLocked.value || next === undefined) return;
    const gpa = gpaOfFocus(next);
    if (gpa !== undefined) void show('gpa', gpa);
    else if (next.kind === 'code' || (next.kind === 'address' && next.space === 'gva')) void show('gva', next.address);
  });
  watch([access, privilege], () => void refresh());

  return { space, address, access, privilege, isLocked, walk, rmap, noWalk, moment, error, refresh, show };
}

/** One of each panel. */
export const useWalkStore = (panel = 'walk') => defineStore(panel, () => setup(panel))();
