/** All requests and who answers them. */
import { err, ok } from '../../base/result.ts';
import { PROTOCOL_VERSION } from '../../protocol/version.ts';
import type { RequestTable } from '../request-table.ts';
import { breakpointRequests } from './breakpoint-requests.ts';
import { consoleRequests } from './console-requests.ts';
import { deviceRequests } from './device-requests.ts';
import { disassemblyRequests } from './disassembly-requests.ts';
import { expressionRequests } from './expression-requests.ts';
import { generationRequests } from './generation-requests.ts';
import { holdRequests } from './hold-requests.ts';
import { machineRequests } from './machine-requests.ts';
import { memoryRequests } from './memory-requests.ts';
import { memslotRequests } from './memslot-requests.ts';
import { mmioRequests } from './mmio-requests.ts';
import { mmuRequests } from './mmu-requests.ts';
import { raceRequests } from './race-requests.ts';
import { registerRequests } from './register-requests.ts';
import { runRequests } from './run-requests.ts';
import { serialRequests } from './serial-requests.ts';
import { spteRequests } from './spte-requests.ts';
import { stateRequests } from './state-requests.ts';
import { statsRequests } from './stats-requests.ts';
import { traceRequests } from './trace-requests.ts';
import { vgaRequests } from './vga-requests.ts';
import { walkRequests } from './walk-requests.ts';

export const REQUEST_TABLE: RequestTable = {
  'engine.hello': (_session, { version }) =>
    version === PROTOCOL_VERSION
      ? ok({ version: PROTOCOL_VERSION })
      : err({
          code: 'bad-request',
          message: `this engine speaks version ${PROTOCOL_VERSION} of the contract, not ${version}.`,
          memslot: undefined,
        }),
  ...machineRequests,
  ...runRequests,
  ...registerRequests,
  ...memoryRequests,
  ...disassemblyRequests,
  ...memslotRequests,
  ...spteRequests,
  ...walkRequests,
  ...mmuRequests,
  ...mmioRequests,
  ...breakpointRequests,
  ...expressionRequests,
  ...generationRequests,
  ...statsRequests,
  ...traceRequests,
  ...serialRequests,
  ...vgaRequests,
  ...deviceRequests,
  ...consoleRequests,
  ...raceRequests,
  ...holdRequests,
  ...stateRequests,
};
