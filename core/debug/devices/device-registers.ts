/** The registers of each device in words, from its state; nothing is read as the guest would read it. */
import type { DeviceSet, PicChipState, PitCounterState } from '../../devices/index.ts';
import { MMIO_BANK_GPA } from '../../devices/index.ts';
import type { DeviceRegister, DeviceSnapshot } from '../../protocol/snapshots.ts';

type Groups = DeviceSnapshot['groups'];

/** Nothing for a device that has only memory, or whose registers say nothing by themselves. */
export function registersOf(devices: DeviceSet, name: string): Groups {
  return REGISTERS[name]?.(devices) ?? [];
}

const byte = (name: string, value: number, meaning = ''): DeviceRegister => ({ name, value, digits: 2, meaning });
const bits = (value: number, names: readonly string[]): string =>
  names.filter((text, bit) => text !== '' && (value & (1 << bit)) !== 0).join(', ') || 'none';

const REGISTERS: Readonly<Record<string, (devices: DeviceSet) => Groups>> = {
  '8259 PIC': ({ pic }) => {
    const { master, slave } = pic.state();
    return [picGroup('first 8259, IRQ 0–7', master, 0), picGroup('second 8259, IRQ 8–15', slave, 8)];
  },
  '8254 PIT': ({ pit, bus }) => [
    ...pit.counters().map((counter, number) => pitGroup(number, counter)),
    {
      title: 'port 0x61',
      registers: [byte('0x61', bus.peekPort(0x61) ?? 0xff, portSixtyOne(bus.peekPort(0x61) ?? 0))],
    },
  ],
  'CMOS/RTC': ({ rtc }) => {
    const at = (index: number): number => rtc.peekRegister(index);
    const two = (index: number): string => at(index).toString(16).padStart(2, '0');
    const isBinary = (at(0x0b) & 4) !== 0;
    const clock = `${two(4)}:${two(2)}:${two(0)} on day ${two(7)} of month ${two(8)}, year ${two(9)}`;
    return [
      {
        title: 'clock',
        registers: [
          byte('time', at(0), `${clock}, ${isBinary ? 'in binary, shown as hexadecimal' : 'BCD'}`),
          byte(
            'A',
            at(0x0a),
            `rate ${at(0x0a) & 15}, divider ${(at(0x0a) >> 4) & 7}${(at(0x0a) & 0x80) !== 0 ? ', an update is under way' : ''}`,
          ),
          byte(
            'B',
            at(0x0b),
            bits(at(0x0b), ['daylight saving', '24 hours', 'binary', 'square wave', 'UIE', 'AIE', 'PIE', 'SET']),
          ),
          byte('C', at(0x0c), bits(at(0x0c), ['', '', '', '', 'UF', 'AF', 'PF', 'IRQF'])),
          byte('index', rtc.index, 'the register that port 0x71 stands for'),
        ],
      },
    ];
  },
  '16550 UART': ({ uart, bus }) => {
    const at = (offset: number): number => bus.peekPort(0x3f8 + offset) ?? 0xff;
    const { ier, fcr, divisor, received } = uart.hidden();
    const baud = divisor === 0 ? 'no rate: the divisor is 0' : `${Math.round(115_200 / divisor)} baud`;
    const lcr = at(3);
    return [
      {
        title: 'COM1',
        registers: [
          byte('IER', ier, bits(ier, ['received', 'transmitter empty', 'line status', 'modem status'])),
          byte('IIR', at(2), IIR_CAUSES[at(2) & 15] ?? 'no such cause'),
          byte('FCR', fcr, (fcr & 1) !== 0 ? `FIFOs on, interrupt from ${[1, 4, 8, 14][fcr >> 6]} bytes` : 'FIFOs off'),
          byte(
            'LCR',
            lcr,
            `${(lcr & 3) + 5} bits, ${(lcr & 4) !== 0 ? 2 : 1} stop, ${parity(lcr)}${(lcr & 0x80) !== 0 ? ', DLAB: ports 0 and 1 are the divisor' : ''}`,
          ),
          byte('MCR', at(4), bits(at(4), ['DTR', 'RTS', 'OUT1', 'OUT2 (lets interrupts out)', 'loopback'])),
          byte(
            'LSR',
            at(5),
            bits(at(5), ['data ready', 'overrun', 'parity error', 'framing error', 'break', 'THRE', 'TEMT']),
          ),
          byte('MSR', at(6), bits(at(6), ['ΔCTS', 'ΔDSR', 'ΔRI', 'ΔDCD', 'CTS', 'DSR', 'RI', 'DCD'])),
          byte('SCR', at(7), 'scratch'),
          { name: 'divisor', value: divisor, digits: 4, meaning: baud },
          { name: 'received', value: received, digits: 2, meaning: 'bytes that the guest has not taken yet' },
        ],
      },
    ];
  },
  'MMIO bank': ({ bus }) => {
    const word = (offset: number): number =>
      [0, 1, 2, 3].reduce(
        (sum, i) => sum + (bus.peekMmio(BigInt(MMIO_BANK_GPA + offset + i)) ?? 0xff) * 2 ** (8 * i),
        0,
      );
    const register = (name: string, offset: number, meaning: string): DeviceRegister => ({
      name,
      value: word(offset),
      digits: 8,
      meaning,
    });
    return [
      {
        title: 'registers',
        registers: [
          register('ID', 0x000, '"UMBR"'),
          register('REVISION', 0x004, ''),
          { name: 'INSNS', value: word(0x008) + word(0x00c) * 2 ** 32, digits: 16, meaning: 'instructions retired' },
          register('COUNTER', 0x010, 'counts up after every read of the guest; not after this look'),
          register('WRITES', 0x014, 'writes that reached the bank'),
          register('LATCH', 0x01c, 'seen through PEEK: a read of LATCH by the guest would clear it'),
          ...Array.from({ length: 8 }, (_unused, i) => register(`SCRATCH ${i}`, 0x020 + 4 * i, '')),
        ],
      },
    ];
  },
  '8042 keyboard controller': ({ bus }) => {
    const status = bus.peekPort(0x64) ?? 0xff;
    return [
      {
        title: 'controller',
        registers: [
          byte(
            'status',
            status,
            bits(status, [
              'output full',
              'input full',
              'system',
              'command',
              'unlocked',
              'from the mouse',
              'time-out',
              'parity',
            ]),
          ),
          byte('output', bus.peekPort(0x60) ?? 0xff, (status & 1) !== 0 ? 'waits to be read' : 'was read already'),
        ],
      },
    ];
  },
};

const IIR_CAUSES: Readonly<Record<number, string>> = {
  1: 'no interrupt pending',
  6: 'line status',
  4: 'received data',
  12: 'received data, and none for a while',
  2: 'transmitter empty',
  0: 'modem status',
};

function parity(lcr: number): string {
  if ((lcr & 8) === 0) return 'no parity';
  if ((lcr & 0x20) !== 0) return 'stuck parity';
  return (lcr & 0x10) !== 0 ? 'even parity' : 'odd parity';
}

const portSixtyOne = (value: number): string =>
  bits(value, ['gate of counter 2', 'speaker', '', '', 'refresh', 'OUT of counter 2']);

function picGroup(title: string, chip: PicChipState, first: number): Groups[number] {
  const lines = (value: number): string =>
    Array.from({ length: 8 }, (_unused, i) => i)
      .filter((i) => (value & (1 << i)) !== 0)
      .map((i) => `IRQ${first + i}`)
      .join(', ') || 'none';
  const state = [
    chip.isInitialised ? '' : 'not initialised: raises nothing',
    chip.autoEoi ? 'automatic end of interrupt' : '',
    chip.specialMask ? 'special mask mode' : '',
    chip.requesting < 0 ? 'INT is low' : `INT is high for IRQ${first + chip.requesting}`,
  ];
  return {
    title,
    registers: [
      byte('IRR', chip.irr, `requested: ${lines(chip.irr)}`),
      byte('ISR', chip.isr, `in service: ${lines(chip.isr)}`),
      byte('IMR', chip.imr, `masked: ${chip.imr === 0xff ? 'all' : lines(chip.imr)}`),
      byte('ELCR', chip.level, `level triggered: ${lines(chip.level)}`),
      byte('base', chip.vectorBase, 'vector of its first line'),
      byte('lowest', chip.lowestPriority, `the line of lowest priority; ${state.filter(Boolean).join(', ')}`),
    ],
  };
}

const PIT_MODES = ['terminal count', 'one-shot', 'rate generator', 'square wave', 'software strobe', 'hardware strobe'];
const PIT_USES = ['IRQ0', 'the refresh of memory', 'the speaker, port 0x61'];

function pitGroup(number: number, { mode, isBcd, reload, count, gate, out }: PitCounterState): Groups[number] {
  const rate = reload > 0 && (mode === 2 || mode === 3) ? `, ${(1_193_182 / reload).toFixed(2)} Hz` : '';
  return {
    title: `counter ${number}: ${PIT_USES[number] ?? ''}`,
    registers: [
      byte('mode', mode, `${PIT_MODES[mode] ?? 'no such mode'}${isBcd ? ', BCD' : ''}`),
      {
        name: 'reload',
        value: reload,
        digits: 5,
        meaning: reload === 0 ? 'no count written yet' : `counts from there${rate}`,
      },
      {
        name: 'count',
        value: count,
        digits: 5,
        meaning: `OUT is ${out ? 'high' : 'low'}, gate ${gate ? 'open' : 'shut'}`,
      },
    ],
  };
}
