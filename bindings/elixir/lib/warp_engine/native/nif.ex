defmodule WarpEngine.Native.Nif do
  @moduledoc false
  # The functions of c_src, one to one. Which of them run on a dirty scheduler stands in the table
  # of c_src/nif.c. Arguments of another type than documented there raise ArgumentError.

  @on_load :load
  # The compiler would load the module, and so the NIF, before the NIF is built.
  @compile {:autoload, false}

  @spec load() :: :ok | {:error, term}
  def load do
    case :code.priv_dir(:warp_engine_native) do
      {:error, :bad_name} ->
        {:error, ~c"the application :warp_engine_native is not in the code path"}

      dir ->
        :erlang.load_nif(:filename.join(dir, ~c"warp_engine_native"), 0)
    end
  end

  def open(_path, _options), do: stub()
  def close(_db), do: stub()
  def get(_db, _key, _pin), do: stub()
  def get_unless(_db, _key, _known), do: stub()
  def get_if_changed(_db, _key, _revision), do: stub()
  def exists(_db, _key), do: stub()
  def multi_get(_db, _keys, _pin), do: stub()
  def put(_db, _key, _value), do: stub()
  def put_hinted(_db, _key, _value, _hint), do: stub()
  def delete(_db, _key), do: stub()
  def compare_and_swap(_db, _key, _expected, _desired), do: stub()
  def write(_db, _packed, _count), do: stub()
  def write_list(_db, _operations), do: stub()
  def iter_new(_db, _prefix), do: stub()
  def iter_next_page(_iter, _bytes), do: stub()
  def iter_close(_iter), do: stub()
  def sync(_db), do: stub()
  def token(_db), do: stub()
  def wait_durable(_db, _token, _timeout_ms), do: stub()
  def is_durable(_db, _token), do: stub()
  def checkpoint(_db), do: stub()
  def compact(_db), do: stub()
  def backup(_db, _path_with_nul), do: stub()
  def stats(_db), do: stub()
  def stats_json(_db), do: stub()
  def openmetrics(_db), do: stub()
  def events_json(_db, _from), do: stub()
  def link(_db, _from, _to, _strength), do: stub()
  def unlink(_db, _from, _to), do: stub()
  def get_linked(_db, _key, _values), do: stub()
  def partners(_db, _key), do: stub()
  def add_rule(_db, _patterns, _flags), do: stub()
  def remove_rule(_db, _pattern), do: stub()
  def rules_json(_db), do: stub()
  def shard_of(_db, _key), do: stub()
  def shard_cpu(_db, _shard), do: stub()
  def rebalance(_db), do: stub()
  def move_slot(_db, _slot, _shard), do: stub()
  def version, do: stub()
  def bench(_db, _what, _count, _size), do: stub()

  defp stub, do: :erlang.nif_error(:nif_not_loaded)
end
