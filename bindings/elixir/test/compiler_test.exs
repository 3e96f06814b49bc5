defmodule WarpEngine.Native.CompilerTest do
  # The Mix compiler of the NIF: does nothing twice, and says what is missing.
  use ExUnit.Case
  import ExUnit.CaptureIO
  alias Mix.Tasks.Compile.WarpNif

  test "what is built and unchanged is not built again" do
    assert WarpNif.run([]) == {:noop, []}
    assert Enum.all?(WarpNif.manifests(), &File.exists?/1)
  end

  test "a missing engine is said with what to do" do
    assert failure("WARP_ENGINE_PREFIX", "/nonexistent") =~ "there is no /nonexistent/include"
    message = failure("CARGO_TARGET_DIR", "/nonexistent")
    assert message =~ "run make in the repository root" and message =~ "WARP_ENGINE_PREFIX"
    assert failure("CC", "no-such-compiler") =~ "set CC"
  end

  test "what the C compiler says is passed on" do
    assert failure("CFLAGS", "-no-such-flag") =~ "no-such-flag"
  end

  defp failure(name, value) do
    before = System.get_env(name)
    System.put_env(name, value)

    output =
      capture_io(:stderr, fn ->
        assert {:error, [%{severity: :error, compiler_name: "warp_nif"}]} = WarpNif.run([])
      end)

    if before, do: System.put_env(name, before), else: System.delete_env(name)
    output
  end
end
