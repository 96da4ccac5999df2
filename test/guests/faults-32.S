/* The same as faults-64.S for 32-bit code. */
        .text
        .code32
        .globl attempt_access_32
        .type attempt_access_32, @function
attempt_access_32:
        pushl   %ebx
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        movl    %esp, resume_stack
        movl    $0, fault_seen
        movl    20(%esp), %edi          /* access */
        movl    28(%esp), %ebx          /* address */
        movl    32(%esp), %ebp          /* flags */
        cmpl    $0, 24(%esp)
        jne     .Lto_user
        pushl   %ebp
        popfl
        jmp     *accesses_32(,%edi,4)
.Lto_user:
        pushl   user_accesses_32(,%edi,4)
        call    p32_user_code_address
        movl    %eax, %esi
        call    p32_user_stack_top
        pushl   $0x2b                   /* user data */
        pushl   %eax
        pushl   %ebp
        pushl   $0x23                   /* user code, 32 bits */
        pushl   %esi
        movl    $0x2b, %eax
        movl    %eax, %ds
        movl    %eax, %es
        iretl

.Lread: movl    (%ebx), %eax
        jmp     resume_32
.Lwrite:
        movl    $0x1234, (%ebx)
        jmp     resume_32
.Lfetch:
        call    *%ebx
        jmp     resume_32
.Lmodify:
        incl    (%ebx)
        jmp     resume_32

        .globl return_entry_32
        .type return_entry_32, @function
return_entry_32:
resume_32:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    resume_stack, %esp
        pushl   $2
        popfl
        popl    %edi
        popl    %esi
        popl    %ebp
        popl    %ebx
        movl    fault_seen, %eax
        ret
        .size attempt_access_32, . - attempt_access_32

        .globl page_fault_entry_32
        .type page_fault_entry_32, @function
page_fault_entry_32:
        popl    %eax
        movl    %eax, fault_error
        movl    %cr2, %eax
        movl    %eax, fault_address
        movl    $1, fault_seen
        jmp     resume_32
        .size page_fault_entry_32, . - page_fault_entry_32

        .globl unexpected_entry_32
        .type unexpected_entry_32, @function
unexpected_entry_32:
        movl    $2, fault_seen
        jmp     resume_32
        .size unexpected_entry_32, . - unexpected_entry_32

        .section .user, "ax"
        .code32
.Lu_read:
        movl    (%ebx), %eax
        int3
.Lu_write:
        movl    $0x1234, (%ebx)
        int3
.Lu_fetch:
        call    *%ebx
        int3
.Lu_modify:
        incl    (%ebx)
        int3
.Lu_push:
        leal    4(%ebx), %esp
        pushl   $0
        int3

        .section .rodata
        .balign 4
accesses_32:
        .long   .Lread, .Lwrite, .Lfetch, .Lmodify
user_accesses_32:
        .long   .Lu_read, .Lu_write, .Lu_fetch, .Lu_modify, .Lu_push
        .section .note.GNU-stack, "", @progbits
