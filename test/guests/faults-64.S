/* One access at a time in 64-bit code, and the way back from wherever it ends. */
        .text
        .code64
/* uptr attempt_access(access, privilege, address, eflags) */
        .globl attempt_access
        .type attempt_access, @function
attempt_access:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, resume_stack
        movq    $0, fault_seen
        movl    %ecx, %ebp              /* flags */
        movq    %rdx, %rbx              /* address */
        testl   %esi, %esi
        jnz     .Lto_user
        pushq   %rbp
        popfq
        leaq    accesses_64(,%rdi,8), %rax
        jmp     *(%rax)
.Lto_user:
        movl    %edi, %r12d
        leaq    user_accesses_64(,%r12,8), %rax
        movq    (%rax), %rdi
        call    user_code_address
        movq    %rax, %r13
        call    user_stack_top
        pushq   $0x2b                   /* user data */
        pushq   %rax
        pushq   %rbp
        pushq   $0x33                   /* user code, 64 bits */
        pushq   %r13
        iretq

/* In supervisor mode the accesses come back by themselves; a fetch lands on a RET in the test page. */
.Lread: movl    (%rbx), %eax
        jmp     resume_64
.Lwrite:
        movl    $0x1234, (%rbx)
        jmp     resume_64
.Lfetch:
        call    *%rbx
        jmp     resume_64
.Lmodify:
        incl    (%rbx)
        jmp     resume_64

/* INT3 from user mode, and the page fault's end. */
        .globl return_entry
        .type return_entry, @function
return_entry:
resume_64:
        movq    resume_stack, %rsp
        pushq   $2
        popfq
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        movq    fault_seen, %rax
        ret
        .size attempt_access, . - attempt_access

        .globl page_fault_entry
        .type page_fault_entry, @function
page_fault_entry:
        popq    %rax
        movq    %rax, fault_error
        movq    %cr2, %rax
        movq    %rax, fault_address
        movq    $1, fault_seen
        jmp     resume_64
        .size page_fault_entry, . - page_fault_entry

        .globl unexpected_entry
        .type unexpected_entry, @function
unexpected_entry:
        movq    $2, fault_seen
        jmp     resume_64
        .size unexpected_entry, . - unexpected_entry

/* What runs in user mode: an alias of this page that users may read and execute. The address is in RBX. */
        .section .user, "ax"
        .code64
.Lu_read:
        movl    (%rbx), %eax
        int3
.Lu_write:
        movl    $0x1234, (%rbx)
        int3
.Lu_fetch:
        call    *%rbx
        int3
.Lu_modify:
        incl    (%rbx)
        int3
.Lu_push:
        leaq    8(%rbx), %rsp
        pushq   $0
        int3

        .section .rodata
        .balign 8
accesses_64:
        /* no push: the frame of its fault would go to the stack that faults */
        .quad   .Lread, .Lwrite, .Lfetch, .Lmodify
user_accesses_64:
        .quad   .Lu_read, .Lu_write, .Lu_fetch, .Lu_modify, .Lu_push

        .section .bss
        .balign 8
        .globl fault_seen, fault_error, fault_address, resume_stack
resume_stack:   .skip 8
fault_seen:     .skip 8
fault_error:    .skip 8
fault_address:  .skip 8
        .section .note.GNU-stack, "", @progbits
