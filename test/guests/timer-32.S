/* Interrupt entries of the timer guest for 32-bit code. */
        .text
        .code32
        .macro ENTRY32 name, handler
        .globl \name
        .type \name, @function
\name:  pushal
        cld
        call    \handler
        popal
        iretl
        .size \name, . - \name
        .endm

        ENTRY32 tick_entry_32, p32_on_tick
        ENTRY32 clock_entry_32, p32_on_clock
        ENTRY32 spurious_entry_32, p32_on_spurious
        .section .note.GNU-stack, "", @progbits
