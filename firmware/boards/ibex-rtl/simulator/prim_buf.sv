// A buffer, which lowRISC's build system writes for each technology: for a simulator it is a wire.
module prim_buf #(
    parameter int Width = 1
) (
    input  logic [Width-1:0] in_i,
    output logic [Width-1:0] out_o
);
  assign out_o = in_i;
endmodule
