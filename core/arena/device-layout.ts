/** Device state: one block a device. Byte offsets inside the `devices` region; each device's own module names its fields. */
export const DEV_UART = 0; // 16550, with FIFOs
export const DEV_PIC = 1024; // two 8259
export const DEV_PIT = 2048; // 8254
export const DEV_CMOS = 3072; // RTC registers and 128 bytes of CMOS
export const DEV_DEBUG_EXIT = 4096;
export const DEV_CLOCK = 4160; // virtual clock: idle time skipped by HLT (float64 ns) and friends
export const DEV_MMIO_BANK = 8192; // register bank to experiment with: 4 KiB
export const DEV_VGA = 16384; // CRTC and attribute registers
export const DEV_VGA_TEXT = 32768; // 32 KiB at gpa 0xb8000
export const DEVICES_BYTES = 65536;
