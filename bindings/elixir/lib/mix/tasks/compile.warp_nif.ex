defmodule Mix.Tasks.Compile.WarpNif do
  @moduledoc """
  Builds the NIF from `c_src/*.c` into the application's `priv` directory.

  Where the engine comes from, first match wins:

    1. `WARP_ENGINE_PREFIX=/usr/local`: an installed tree, `include` and `lib` below it;
    2. `WARP_ENGINE_PKG_CONFIG=1`: whatever `pkg-config warp-engine` says;
    3. the repository this package lies in: `../../include` and `../../target/release`
       (`CARGO_TARGET_DIR` is honoured). The library is copied beside the NIF, so that a release
       carries both and needs no path of the build machine.

  The NIF links the *shared* library. Two versions of a NIF are loaded at once during a code
  upgrade, and the handles of the old one go over to the new one: that is only sound while both
  call into one engine, and the loader gives all of them the same `libwarp_engine.so.0`. For the
  same reason the NIF is linked with `-z nodelete`: threads that close abandoned handles may
  still run its code when the emulator unloads it.

  `CC` and `CFLAGS` are honoured. A build is repeated when a source, the header, the library or
  the command changes.
  """
  @shortdoc "Builds the WarpEngine NIF"

  use Mix.Task.Compiler

  @soname "libwarp_engine.so.0"
  @flags ~w(-std=c11 -O2 -fPIC -shared -fvisibility=hidden -pthread -Wall -Wextra -Werror)
  @link ~w(-Wl,-z,nodelete -Wl,-z,relro)

  @impl true
  def run(_args) do
    with {:ok, engine} <- engine(),
         {:ok, erts} <- erts_include() do
      build(engine, erts)
    else
      {:error, message} -> failed(message)
    end
  end

  @impl true
  def manifests, do: [manifest()]

  @impl true
  def clean do
    Enum.each([manifest(), nif(), Path.join(priv(), @soname)], &File.rm/1)
  end

  defp build(engine, erts) do
    sources = Enum.sort(Path.wildcard(Path.join(source_dir(), "*.c")))
    command = command(engine, erts, sources)
    print = fingerprint(engine, command)

    if File.exists?(nif()) and File.read(manifest()) == {:ok, print} do
      {:noop, []}
    else
      File.mkdir_p!(priv())
      copy_library(engine)
      compile(command, print)
    end
  end

  defp compile([cc | args], print) do
    temporary = nif() <> ".tmp"

    case System.cmd(cc, args ++ ["-o", temporary], stderr_to_stdout: true) do
      {output, 0} ->
        if output != "", do: Mix.shell().info(output)
        # Renamed into place: overwriting the file of a NIF that some emulator has mapped would
        # change the code under it.
        File.rename!(temporary, nif())
        File.mkdir_p!(Path.dirname(manifest()))
        File.write!(manifest(), print)
        {:ok, []}

      {output, status} ->
        failed("#{cc} ended with status #{status}:\n#{output}")
    end
  rescue
    error in ErlangError ->
      failed("cannot run the C compiler #{inspect(cc)}: #{inspect(error.original)}; set CC")
  end

  defp command(engine, erts, sources) do
    [cc | cc_args] = OptionParser.split(System.get_env("CC", "cc"))
    extra = OptionParser.split(System.get_env("CFLAGS", ""))

    [cc | cc_args] ++
      @flags ++
      extra ++ ["-I", erts] ++ engine.cflags ++ sources ++ @link ++ engine.ldflags
  end

  defp engine do
    cond do
      prefix = set("WARP_ENGINE_PREFIX") -> from_prefix(Path.expand(prefix))
      set("WARP_ENGINE_PKG_CONFIG") -> from_pkg_config()
      true -> from_repository()
    end
  end

  defp set(name) do
    value = System.get_env(name, "")
    value != "" && value
  end

  defp from_prefix(prefix) do
    include = Path.join(prefix, "include")
    header = Path.join(include, "warp_engine.h")

    library =
      ["lib", "lib64", "lib/*-linux-gnu"]
      |> Enum.flat_map(&Path.wildcard(Path.join([prefix, &1, "libwarp_engine.so"])))
      |> Enum.find(&File.exists?/1)

    cond do
      not File.exists?(header) ->
        {:error, "WARP_ENGINE_PREFIX: there is no #{header}"}

      library == nil ->
        {:error, "WARP_ENGINE_PREFIX: there is no libwarp_engine.so below #{prefix}/lib"}

      true ->
        dir = Path.dirname(library)

        {:ok,
         %{
           cflags: ["-I", include],
           ldflags: ["-L" <> dir, "-lwarp_engine", "-Wl,-rpath," <> dir],
           inputs: [header, library],
           copy: nil
         }}
    end
  end

  defp from_pkg_config do
    with {:ok, cflags} <- pkg_config("--cflags"),
         {:ok, libs} <- pkg_config("--libs"),
         {:ok, dir} <- pkg_config("--variable=libdir") do
      {:ok,
       %{
         cflags: OptionParser.split(cflags),
         ldflags: OptionParser.split(libs) ++ ["-Wl,-rpath," <> dir],
         inputs: [Path.join(dir, "libwarp_engine.so")],
         copy: nil
       }}
    end
  end

  defp pkg_config(what) do
    case System.cmd("pkg-config", [what, "warp-engine"], stderr_to_stdout: true) do
      {output, 0} -> {:ok, String.trim(output)}
      {output, _} -> {:error, "pkg-config #{what} warp-engine: #{String.trim(output)}"}
    end
  rescue
    ErlangError -> {:error, "WARP_ENGINE_PKG_CONFIG is set, and pkg-config cannot be run"}
  end

  defp from_repository do
    root = Path.expand("../../..", source_dir())
    target = System.get_env("CARGO_TARGET_DIR", Path.join(root, "target"))
    header = Path.join(root, "include/warp_engine.h")
    library = Path.join([Path.expand(target, root), "release", "libwarp_engine.so"])

    if File.exists?(header) and File.exists?(library) do
      {:ok,
       %{
         cflags: ["-I", Path.dirname(header)],
         ldflags: ["-L" <> priv(), "-l:" <> @soname, "-Wl,-rpath,$ORIGIN"],
         inputs: [header, library],
         copy: library
       }}
    else
      missing = if File.exists?(header), do: library, else: header

      {:error,
       "the engine's library is not built (there is no #{missing}): run make in the repository " <>
         "root, or set WARP_ENGINE_PREFIX to the prefix of an installed one"}
    end
  end

  defp copy_library(%{copy: nil}), do: :ok

  defp copy_library(%{copy: library}) do
    temporary = Path.join(priv(), @soname <> ".tmp")
    File.cp!(library, temporary)
    File.rename!(temporary, Path.join(priv(), @soname))
  end

  defp erts_include do
    root = to_string(:code.root_dir())
    version = to_string(:erlang.system_info(:version))

    [Path.join(root, "erts-#{version}/include"), Path.join(root, "usr/include")]
    |> Enum.find(&File.exists?(Path.join(&1, "erl_nif.h")))
    |> case do
      nil ->
        {:error, "there is no erl_nif.h below #{root}; install Erlang's headers (erlang-dev)"}

      dir ->
        {:ok, dir}
    end
  end

  # Contents for what is ours and small, size and time for the library.
  defp fingerprint(engine, command) do
    sources = Path.wildcard(Path.join(source_dir(), "*.{c,h}"))

    contents =
      for file <- Enum.sort(sources) ++ Enum.filter(engine.inputs, &String.ends_with?(&1, ".h")) do
        {file, File.read!(file)}
      end

    stats =
      for file <- engine.inputs, {:ok, stat} <- [File.stat(file, time: :posix)] do
        {file, stat.size, stat.mtime}
      end

    {contents, stats, command} |> :erlang.term_to_binary() |> :erlang.md5() |> Base.encode16()
  end

  defp failed(message) do
    Mix.shell().error("warp_engine_native: " <> message)

    diagnostic = %Mix.Task.Compiler.Diagnostic{
      compiler_name: "warp_nif",
      file: source_dir(),
      message: message,
      position: 0,
      severity: :error
    }

    {:error, [diagnostic]}
  end

  defp source_dir, do: Path.join(File.cwd!(), "c_src")
  defp priv, do: Path.join(Mix.Project.app_path(), "priv")
  defp nif, do: Path.join(priv(), "warp_engine_native.so")
  defp manifest, do: Path.join(Mix.Project.manifest_path(), "compile.warp_nif")
end
