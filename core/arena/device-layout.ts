/**
 * Device state: one block a device. Byte offsets inside the `devices` region; each device's own module names the fields of
 * its block, as int32 words unless it says otherwise. Writer: the thread that runs the machine.
 */
export const DEV_UART = 0; // 16550, with FIFOs
export const DEV_PIC = 1024; // two 8259
export const DEV_PIT = 2048; // 8254 and port 0x61
export const DEV_CMOS = 3072; // RTC registers and 128 bytes of CMOS
/** Debug-exit, port 0x80, port 0x92 and what the devices ask of the machine; see core/devices/machine-requests.ts. */
export const DEV_DEBUG_EXIT = 4096;
export const DEV_KEYBOARD = 4352; // 8042
export const DEV_CLOCK = 4160; // virtual clock, see CLOCK_*
export const DEV_TURNS = 4224; // whose turn it is, see TURN_*
export const DEV_MMIO_BANK = 8192; // register bank to experiment with: 4 KiB
/** The last port access of each device; see core/devices/port-access.ts. */
export const DEV_PORT_ACCESS = 12288;
export const PORT_ACCESS_DEVICES = 16;
export const DEV_VGA = 16384; // CRTC and attribute registers
export const DEV_VGA_TEXT = 32768; // 32 KiB at gpa 0xb8000
/** Bytes typed on the serial line that the UART has not taken yet: a ring of SERIAL_INPUT_BYTES. */
export const DEV_SERIAL_INPUT = 65536;
export const SERIAL_INPUT_BYTES = 65536;
export const DEVICES_BYTES = 131072;

/**
 * The virtual clock: byte offsets from DEV_CLOCK, all float64. Time in ns = instructions retired by all vCPUs × NS_PER_INSN
 * + CLOCK_IDLE_NS. One tick of the TSC is one NS_PER_INSN, so CLOCK_IDLE_NS / NS_PER_INSN ticks were passed in HLT;
 * idle time is always a whole number of them.
 */
export const CLOCK_IDLE_NS = 0;
/** Nanoseconds since 1970-01-01T00:00:00Z when the machine was made, as whole seconds. */
export const CLOCK_START_SECONDS = 8;
export const NS_PER_INSN = 10;

/** Turns of several vCPUs on one thread, byte offsets from DEV_TURNS: int32 vCPU; float64 its work count at which the turn ends. */
export const TURN_VCPU = 0;
export const TURN_END = 8;
/** Byte offset from DEV_TURNS, int32: held by the vCPU that is at the devices, while vCPUs have threads of their own. */
export const DEVICES_LOCK = 16;
/** The same for the bus: held by the vCPU that executes alone (core/x86/exec/bus-lock.ts). */
export const BUS_LOCK = 20;
